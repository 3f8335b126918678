-- Returns the result of a message, or registers a reader who is told when there is one.
--
-- KEYS[1]   the result: "R" and its body, or "W" and the channels of those who wait, one a line
-- ARGV      channel of the reader, for how long it waits, ms

local found = redis.call('GET', KEYS[1])
if found and string.sub(found, 1, 1) == 'R' then return string.sub(found, 2) end
local readers = found and string.sub(found, 2) or ''
if not string.find('\n' .. readers .. '\n', '\n' .. ARGV[1] .. '\n', 1, true) then
  readers = readers == '' and ARGV[1] or readers .. '\n' .. ARGV[1]
end
local left = redis.call('PTTL', KEYS[1])
redis.call('PERSIST', KEYS[1]) -- a write that takes no memory: the next one is not refused for want of it
redis.call('SET', KEYS[1], 'W' .. readers, 'PX', math.max(left, tonumber(ARGV[2])))
return false
