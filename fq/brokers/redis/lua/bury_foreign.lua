-- Takes from a worker what it claimed and cannot read, since something else than fq has put it there, and makes dead letters of it; returns letters
-- that have a later one in another queue.

local worker = next_text()
dead_ttl_ms = next_number()
local unique = load_unique_keys()
local wrong = records_type_error()
if wrong then return wrong end
local first = cursor
while cursor <= #ARGV do
  unique.learn_queues({ARGV[cursor + 1]})
  skip(5)
end
cursor = first
wrong = learned_queue_error()
if wrong then return wrong end
allow_when_memory_is_full()
while cursor <= #ARGV do
  local queue, id, token, shown_id, fault = next_number(), next_text(), next_text(), next_text(), next_text()
  if call('HGET', queue_key(queue, CLAIMED), id) == token then
    local found = call('HGET', MESSAGES, id)
    call('HDEL', queue_key(queue, CLAIMED), id)
    call('HDEL', MESSAGES, id)
    call('HDEL', DELIVERY_NOTES, id)
    remove_cancel_marks(worker, {id})
    unique.free({id})
    if found then
      call('SADD', QUEUES, queue_name(queue))
      bury(queue, shown_id, sequence_at(0) .. '0\0' .. queue_name(queue) .. '\0\0' .. found, fault)
    end
  end
end
flush_queues()
wake_waiting_workers()
return moved_letters
