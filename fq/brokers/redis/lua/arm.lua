-- Registers a worker as waiting, unless there is something to claim; returns for how long, in ms, it may wait.
--
-- ARGV[p]   channel of the worker's bell

local paused, idle = {}, 60000
for _, queue in ipairs(call('SMEMBERS', PAUSED)) do paused[queue] = true end
for queue = 1, queues do
  if not paused[name(queue)] then
    if call('ZCARD', key(queue, READY)) > 0 then return 0 end
    local first = call('ZRANGE', key(queue, DELAYED), 0, 0, 'WITHSCORES')
    if first[2] then idle = math.min(idle, tonumber(first[2]) - now) end
  end
end
local lease = call('ZRANGE', LEASES, 0, 0, 'WITHSCORES')
if lease[2] then idle = math.min(idle, tonumber(lease[2]) - now) end
if idle <= 0 then return 0 end
goes_on_without_memory()
for queue = 1, queues do call('ZADD', WAITING, 0, name(queue) .. '\0' .. ARGV[p]) end
call('PEXPIRE', WAITING, 60000)
return idle
