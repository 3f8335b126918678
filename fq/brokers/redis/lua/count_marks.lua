-- Returns how many marks an index lists.

local index = next_text()

local marks = load_marks()
local wrong = records_type_error()
if wrong then return wrong end
marks.expire(200)
return call('ZLEXCOUNT', LISTED, range_of(index))
