-- Looks through some dead letters of one queue, the latest first; returns how many it looked at, and those that match: id, letter, and when it goes.

local start, page_size, actor, error_type, limit, until_ms = next_text(), next_text(), next_text(), next_text(), next_number(), next_number()

local function matches(letter)
  local died, letter_type, _, record = parse_letter(letter)
  return queue_of_record(record) == queue_name(1)
    and (actor == '' or string.match(record, '^[^%z]*%z[^%z]*%z([^%z]*)') == actor)
    and (error_type == '' or letter_type == error_type)
    and (not until_ms or tonumber(died) <= until_ms)
end

local ids = call('ZREVRANGEBYSCORE', queue_key(1, DEAD), '+inf', '(' .. format('%.0f', now_us), 'LIMIT', start, page_size)
if #ids == 0 then return {0, {}} end
local found = {}
for i, letter in ipairs(call('HMGET', LETTERS, unpack(ids))) do
  if #found == limit then break end
  if letter and matches(letter) then found[#found + 1] = {ids[i], letter, call('ZSCORE', queue_key(1, DEAD), ids[i])} end
end
return {#ids, found}
