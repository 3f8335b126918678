-- Makes delayed messages of one queue ready, but not those that are put aside. Returns how many of all wait, and ids of those that have moved.

local AWAY = MAX_EXACT_INTEGER -- when a message that is put aside falls due
local count, moved_ids = 0, {}

-- Makes one message of this queue ready, if it is delayed; returns whether it waits.
local function run_now(id, record)
  local priority, sequence = priority_and_sequence(record)
  local member = delayed_member(sequence, priority, id)
  local due = call('ZSCORE', queue_key(1, DELAYED), member)
  if not due then return call('ZSCORE', queue_key(1, READY), sequence .. id) and true end
  if tonumber(due) < AWAY then
    call('ZREM', queue_key(1, DELAYED), member)
    sequence = sequence_at(math.min(tonumber(sequence), next_arrival_us()))
    call('HSET', MESSAGES, id, sequence .. sub(record, SEQUENCE_DIGITS + 1))
    make_ready(1, priority, sequence .. id)
  end
  return true
end

allow_when_memory_is_full()
for i = cursor, #ARGV do
  local id = ARGV[i]
  local record = call('HGET', MESSAGES, id)
  if record and queue_of_record(record) == queue_name(1) then
    if run_now(id, record) then count = count + 1 end
  elseif record then
    moved_ids[#moved_ids + 1] = id
  end
end
flush_queues()
wake_waiting_workers()
return {count, moved_ids}
