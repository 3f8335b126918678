-- Cancels a message that waits, which is made ready, or is held, whose holder is told. Returns whether there is one; its record, if it has moved.
--
-- KEYS      after the queue of the message: for each worker what it has claimed of the queue
-- ARGV[p]   id, channel of the bell of no worker, worker, ...

local id, bell = ARGV[p], ARGV[p + 1]
local record = call('HGET', MESSAGES, id)
if not record then return 0 end
if queues == 0 or name(1) ~= queue_of(record) then return record end

goes_on_without_memory()
local priority, seq = place(record)
if call('ZREM', key(1, DELAYED), seq .. priority .. '\0' .. id) == 1 then
  seq = place_of(math.min(tonumber(seq), draw()))
  call('HSET', MESSAGES, id, seq .. sub(record, PLACE + 1))
  make_ready(1, priority, seq .. id)
  flush()
  ring_all()
end
if added[1] or call('ZSCORE', key(1, READY), seq .. id) then
  call('ZADD', CANCELLED, 0, '\0' .. id)
  return 1
end
for i = 1, #ARGV - p - 1 do
  local holder = ARGV[p + 1 + i]
  if call('HEXISTS', extra(i), id) == 1 then
    call('ZADD', CANCELLED, 0, '\0' .. id, 0, holder .. '\0' .. id)
    call('PUBLISH', bell .. holder, '')
    return 1
  end
end
return record
