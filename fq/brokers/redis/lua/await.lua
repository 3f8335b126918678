-- Returns the results of messages; of those that have none yet, registers a reader who is told when there is one.
--
-- KEYS[1…]   the results: "R" and its body, or "W" and the channels of those who wait, one a line
-- ARGV       channel of the reader, then of each key for how long the reader waits, ms: 0 if it does not

local found = {}
for at, key in ipairs(KEYS) do
  local kept = redis.call('GET', key)
  local waits = tonumber(ARGV[1 + at])
  found[at] = kept and string.sub(kept, 1, 1) == 'R' and string.sub(kept, 2)
  if not found[at] and waits > 0 then
    local readers = kept and string.sub(kept, 2) or ''
    if not string.find('\n' .. readers .. '\n', '\n' .. ARGV[1] .. '\n', 1, true) then
      readers = readers == '' and ARGV[1] or readers .. '\n' .. ARGV[1]
    end
    local left = redis.call('PTTL', key)
    redis.call('PERSIST', key) -- a write that takes no memory: the next one is not refused for want of it
    redis.call('SET', key, 'W' .. readers, 'PX', math.max(left, waits))
  end
end
return found
