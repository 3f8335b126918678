-- Puts dead letters back on their queues, as arrivals of now; returns how many there were.
--
-- ARGV[p]   for each: queue, id

local count = 0
for i = p, #ARGV, 2 do
  local queue, id = tonumber(ARGV[i]), ARGV[i + 1]
  local expiry, letter = call('ZSCORE', key(queue, DEAD), id), call('HGET', LETTERS, id)
  if expiry and letter and tonumber(expiry) > micros then
    local _, _, _, record = letter_of(letter)
    call('ZREM', key(queue, DEAD), id)
    call('HDEL', LETTERS, id)
    post(queue, (place(record)), 0, sub(record, PLACE + 1), id, '')
    count = count + 1
  end
end
flush()
ring_all()
return count
