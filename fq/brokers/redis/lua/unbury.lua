-- Takes letters that have a later one, in another queue, from the list of this queue.
--
-- ARGV[p]   for each: queue, id

for i = p, #ARGV, 2 do
  local queue, id = tonumber(ARGV[i]), ARGV[i + 1]
  local letter = call('HGET', LETTERS, id)
  local _, _, _, record = letter_of(letter or '\0\0\0\0')
  if queue_of(record) ~= name(queue) then call('ZREM', key(queue, DEAD), id) end
end
return 1
