-- Pauses a queue.

goes_on_without_memory()
call('SADD', PAUSED, name(1))
call('SADD', QUEUES, name(1))
return 1
