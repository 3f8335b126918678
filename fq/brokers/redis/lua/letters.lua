-- Looks through some dead letters of one queue, the latest first, and returns those that match: id, letter, and when it goes.
--
-- ARGV[p]   where to begin, how many to look at, actor and error type ("" is any), how many to return, until when they died, ms ("" is any)

local actor, kind, most, last = ARGV[p + 2], ARGV[p + 3], tonumber(ARGV[p + 4]), tonumber(ARGV[p + 5]) or math.huge
local ids = call('ZREVRANGEBYSCORE', key(1, DEAD), '+inf', '(' .. format('%.0f', micros), 'LIMIT', ARGV[p], ARGV[p + 1])
if #ids == 0 then return {0, {}} end
local found = {}
for i, letter in ipairs(call('HMGET', LETTERS, unpack(ids))) do
  if #found == most then break end
  if letter then
    local died, error_type, _, record = letter_of(letter)
    if queue_of(record) == name(1) and (actor == '' or string.match(record, '^[^%z]*%z[^%z]*%z([^%z]*)') == actor)
      and (kind == '' or error_type == kind) and tonumber(died) <= last then
      found[#found + 1] = {ids[i], letter, call('ZSCORE', key(1, DEAD), ids[i])}
    end
  end
end
return {#ids, found}
