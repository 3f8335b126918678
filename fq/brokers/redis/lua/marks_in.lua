-- Looks through the marks of an index, from one place on; returns keys and marks, in turn, and the last place that it has looked at, '' if that is the end.

local index, place, is_latest_first, limit = next_text(), next_text(), next_flag(), next_number() -- a place is <order, 16 digits>\0<key>, or ''

local marks, found = load_marks(), {}
local wrong = records_type_error()
if wrong then return wrong end
marks.expire(100)
local first, last = range_of(index)
local members
if is_latest_first then
  if place ~= '' then last = '(' .. index .. '\0' .. place end
  members = call('ZREVRANGEBYLEX', LISTED, last, first, 'LIMIT', 0, limit)
else
  if place ~= '' then first = '(' .. index .. '\0' .. place end
  members = call('ZRANGEBYLEX', LISTED, first, last, 'LIMIT', 0, limit)
end
for _, member in ipairs(members) do
  place = sub(member, #index + 2)
  local key = sub(place, SEQUENCE_DIGITS + 2)
  local text = call('HGET', MARKS, key)
  local mark = marks.parse_mark(text)
  if mark and not marks.has_ended(mark) then
    found[#found + 1] = key
    found[#found + 1] = text
  end
end
return {found, #members == limit and place or ''}
