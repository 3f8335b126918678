-- Takes from a worker what it claimed and cannot read, since something else than fq has put it there, and makes dead letters of it; returns letters
-- that have a later one in another queue.

local worker = next_text()
dead_ttl_ms = next_number()
allow_when_memory_is_full()
while cursor <= #ARGV do
  local queue, id, token, shown_id, fault = next_number(), next_text(), next_text(), next_text(), next_text()
  if call('HGET', queue_key(queue, CLAIMED), id) == token then
    local found = call('HGET', MESSAGES, id)
    call('HDEL', queue_key(queue, CLAIMED), id)
    call('HDEL', MESSAGES, id)
    call('HDEL', DELIVERY_NOTES, id)
    remove_cancel_marks(worker, {id})
    if found then
      call('SADD', QUEUES, queue_name(queue))
      bury(queue, shown_id, sequence_at(0) .. '0\0' .. queue_name(queue) .. '\0\0' .. found, fault)
    end
  end
end
return moved_letters
