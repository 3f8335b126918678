-- Resumes a queue, and rings for everybody who waits for it.

goes_on_without_memory()
call('SREM', PAUSED, name(1))
if call('ZCARD', key(1, READY)) + call('ZCARD', key(1, DELAYED)) > 0 then ring(1, 32) end
return 1
