-- Returns marks by their keys, false where there is none.

local marks, found = load_marks(), {}
local wrong = records_type_error()
if wrong then return wrong end
for i = cursor, #ARGV do
  local text = call('HGET', MARKS, ARGV[i])
  local mark = marks.parse_mark(text)
  found[#found + 1] = mark and not marks.has_ended(mark) and text or false
end
return found
