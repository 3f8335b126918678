-- Pauses a queue.

call('SADD', PAUSED, name(1))
call('SADD', QUEUES, name(1))
return 1
