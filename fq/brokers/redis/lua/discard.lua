-- Deletes dead letters and waiting messages; returns how many there were.
--
-- ARGV[p]   for each: queue, id

local count = 0
for i = p, #ARGV, 2 do
  local queue, id = tonumber(ARGV[i]), ARGV[i + 1]
  local expiry = call('ZSCORE', key(queue, DEAD), id)
  if expiry and tonumber(expiry) > micros then
    call('ZREM', key(queue, DEAD), id)
    call('HDEL', LETTERS, id)
    count = count + 1
  end
  local record = call('HGET', MESSAGES, id)
  if record and queue_of(record) == name(queue) then
    local priority, seq = place(record)
    if call('ZREM', key(queue, READY), seq .. id) + call('ZREM', key(queue, DELAYED), seq .. priority .. '\0' .. id) > 0 then
      call('HDEL', MESSAGES, id)
      call('HDEL', AGAIN, id)
      unmark(nil, {id})
      count = count + 1
    end
  end
end
return count
