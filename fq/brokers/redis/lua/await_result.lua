-- Returns the results of messages; where there is none yet, registers a reader, on whose channel it is published when it is stored.
-- A result is "R" and its body; readers that wait are "W" and their channels, one a line.

local channel = ARGV[1]

local function register_reader(key, text, wait_ms)
  local channels = text and string.sub(text, 2) or ''
  if not string.find('\n' .. channels .. '\n', '\n' .. channel .. '\n', 1, true) then
    channels = channels == '' and channel or channels .. '\n' .. channel
  end
  local ttl = redis.call('PTTL', key)
  redis.call('PERSIST', key) -- a write that takes no memory: the next one is not refused for want of it
  redis.call('SET', key, 'W' .. channels, 'PX', math.max(ttl, wait_ms))
end

local bodies = {}
for i, key in ipairs(KEYS) do
  local text, wait_ms = redis.call('GET', key), tonumber(ARGV[1 + i])
  bodies[i] = text and string.sub(text, 1, 1) == 'R' and string.sub(text, 2)
  if not bodies[i] and wait_ms > 0 then register_reader(key, text, wait_ms) end
end
return bodies
