-- Puts dead letters back on their queues, as arrivals of now; returns how many there were.
--
-- ARGV[p]   for each: queue, id

local count = 0
for i = p, #ARGV, 2 do
  local queue, id = tonumber(ARGV[i]), ARGV[i + 1]
  local expiry = call('ZSCORE', key(queue, DEAD), id)
  if expiry and tonumber(expiry) > now then
    local record = call('HGET', MESSAGES, id)
    local priority, seq = place(record), draw(0)
    call('ZREM', key(queue, DEAD), id)
    call('HDEL', LETTERS, id)
    call('HSET', MESSAGES, id, seq .. sub(record, 15))
    make_ready(queue, priority, seq .. id)
    count = count + 1
  end
end
flush()
ring_all()
return count
