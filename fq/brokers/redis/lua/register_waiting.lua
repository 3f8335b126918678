-- Registers a worker as waiting, unless there is something to claim; returns for how long, in ms, it may wait.

local MAX_IDLE_MS = 60000
local channel, latest_turn_ms = next_text(), next_number()

local paused_queues, idle_ms = {}, MAX_IDLE_MS
for _, name in ipairs(call('SMEMBERS', PAUSED)) do paused_queues[name] = true end
for queue = 1, queue_count do
  if not paused_queues[queue_name(queue)] then
    if call('ZCARD', queue_key(queue, READY)) > 0 then return 0 end
    idle_ms = math.min(idle_ms, (first_due(queue) or math.huge) - now_ms)
  end
end
local wrong = records_type_error()
if wrong then return wrong end
idle_ms = math.min(idle_ms, (next_due_mark(latest_turn_ms) or math.huge) - now_ms) -- it knows of those that were due then
local first_lease = call('ZRANGE', LEASES, 0, 0, 'WITHSCORES')
if first_lease[2] then idle_ms = math.min(idle_ms, tonumber(first_lease[2]) - now_ms) end
if idle_ms <= 0 then return 0 end

allow_when_memory_is_full()
for queue = 1, queue_count do call('ZADD', WAITING, 0, queue_name(queue) .. '\0' .. channel) end
call('PEXPIRE', WAITING, MAX_IDLE_MS)
return idle_ms
