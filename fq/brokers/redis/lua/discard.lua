-- Deletes dead letters and waiting messages; returns how many there were.

local function discard_letter(queue, id)
  local expiry = call('ZSCORE', queue_key(queue, DEAD), id)
  if not expiry or tonumber(expiry) <= now_us then return 0 end
  call('ZREM', queue_key(queue, DEAD), id)
  call('HDEL', LETTERS, id)
  return 1
end

local function discard_waiting(queue, id)
  local record = call('HGET', MESSAGES, id)
  if not record or queue_of_record(record) ~= queue_name(queue) then return 0 end
  local priority, sequence = priority_and_sequence(record)
  local removed = call('ZREM', queue_key(queue, READY), sequence .. id)
    + call('ZREM', queue_key(queue, DELAYED), delayed_member(sequence, priority, id))
  if removed == 0 then return 0 end
  call('HDEL', MESSAGES, id)
  call('HDEL', DELIVERY_NOTES, id)
  remove_cancel_marks(nil, {id})
  return 1
end

local ids = {}
for i = cursor + 1, #ARGV, 2 do ids[#ids + 1] = ARGV[i] end
local unique = load_unique_keys()
local wrong = records_type_error()
if wrong then return wrong end
unique.learn_queues(ids)
wrong = learned_queue_error()
if wrong then return wrong end

local count = 0
while cursor <= #ARGV do
  local queue, id = next_number(), next_text()
  local discarded = discard_waiting(queue, id)
  if discarded > 0 then
    unique.free({id})
    flush_queues() -- the next one may be what has just taken the key
  end
  count = count + discard_letter(queue, id) + discarded
end
wake_waiting_workers()
return count
