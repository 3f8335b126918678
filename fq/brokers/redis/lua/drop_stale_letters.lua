-- Takes letters that have a later one, in another queue, from the list of this queue.

while cursor <= #ARGV do
  local queue, id = next_number(), next_text()
  local letter = call('HGET', LETTERS, id)
  local _, _, _, record = parse_letter(letter or '\0\0\0\0')
  if queue_of_record(record) ~= queue_name(queue) then call('ZREM', queue_key(queue, DEAD), id) end
end
return 1
