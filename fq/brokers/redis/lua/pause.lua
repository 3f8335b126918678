-- Pauses a queue.

allow_when_memory_is_full()
call('SADD', PAUSED, queue_name(1))
call('SADD', QUEUES, queue_name(1))
return 1
