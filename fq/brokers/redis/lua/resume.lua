-- Resumes a queue, and wakes the workers that wait for it.

local MAX_WOKEN = 32

allow_when_memory_is_full()
call('SREM', PAUSED, queue_name(1))
if call('ZCARD', queue_key(1, READY)) + call('ZCARD', queue_key(1, DELAYED)) > 0 then wake_workers(1, MAX_WOKEN) end
return 1
