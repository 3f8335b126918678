-- Looks through some dead letters of one queue, the latest first, and returns those that match.
--
-- ARGV[p]   where to begin, how many to look at, actor and error type ("" is any), how many to return

local actor, kind, most = ARGV[p + 2], ARGV[p + 3], tonumber(ARGV[p + 4])
local ids = call('ZREVRANGEBYSCORE', key(1, DEAD), '+inf', '(' .. format('%.0f', now), 'LIMIT', ARGV[p], ARGV[p + 1])
if #ids == 0 then return {0, {}} end
local records, letters, found = call('HMGET', MESSAGES, unpack(ids)), call('HMGET', LETTERS, unpack(ids)), {}
for i, id in ipairs(ids) do
  if #found == most then break end
  local record, letter = records[i], letters[i]
  if record and letter and (actor == '' or string.match(record, '^[^%z]*%z[^%z]*%z([^%z]*)') == actor)
    and (kind == '' or string.match(letter, '^[^%z]*%z([^%z]*)') == kind) then
    found[#found + 1] = {id, record, letter}
  end
end
return {#ids, found}
