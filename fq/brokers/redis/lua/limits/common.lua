-- What the scripts of limiters begin with: the time.
--
-- ARGV[1]   an offset to the server's clock, ms, or after an "=" the time itself: for tests

local call, format, sub = redis.call, string.format, string.sub
local now
if sub(ARGV[1], 1, 1) == '=' then
  now = tonumber(sub(ARGV[1], 2))
else
  local time = call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + tonumber(ARGV[1])
end

local function whole(number) return format('%.0f', number) end

-- Lets *key* live for *ttl* ms more, unless it lives for longer anyway.
local function keep(key, ttl)
  if call('PTTL', key) < ttl then call('PEXPIRE', key, whole(ttl)) end
end
