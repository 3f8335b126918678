-- Cancels messages of one queue: those that wait are made ready, and free their unique keys; the workers that have claimed the others are woken.
-- Returns how many there are, and ids of those that have moved.

local channel_prefix = next_text()
local worker_count = next_number()
local first_worker = skip(worker_count)
local count, moved_ids, marks, woken_workers, waiting_ids = 0, {}, {}, {}, {}

local function add_mark(worker, id)
  marks[#marks + 1] = 0
  marks[#marks + 1] = worker .. '\0' .. id
end

local function worker_of(id)
  for i = 1, worker_count do
    if call('HEXISTS', extra_key(i), id) == 1 then return ARGV[first_worker + i - 1] end
  end
end

-- Cancels one message of this queue; returns whether it is still there.
local function cancel(id, record)
  local priority, sequence = priority_and_sequence(record)
  if call('ZREM', queue_key(1, DELAYED), delayed_member(sequence, priority, id)) == 1 then
    sequence = sequence_at(math.min(tonumber(sequence), next_arrival_us()))
    call('HSET', MESSAGES, id, sequence .. sub(record, SEQUENCE_DIGITS + 1))
    make_ready(1, priority, sequence .. id)
    waiting_ids[#waiting_ids + 1] = id
  elseif call('ZSCORE', queue_key(1, READY), sequence .. id) then
    waiting_ids[#waiting_ids + 1] = id
  else
    local worker = worker_of(id)
    if not worker then return false end
    add_mark(worker, id)
    woken_workers[worker] = true
  end
  add_mark('', id)
  return true
end

local unique = load_unique_keys()
local wrong = records_type_error()
if wrong then return wrong end
unique.learn_queues({unpack(ARGV, cursor)})
wrong = learned_queue_error()
if wrong then return wrong end

allow_when_memory_is_full()
for i = cursor, #ARGV do
  local id = ARGV[i]
  local record = call('HGET', MESSAGES, id)
  if record and queue_of_record(record) == queue_name(1) and cancel(id, record) then
    count = count + 1
  elseif record then
    moved_ids[#moved_ids + 1] = id
  end
end
call_in_chunks('ZADD', CANCELLED, marks)
for worker in pairs(woken_workers) do call('PUBLISH', channel_prefix .. worker, MESSAGES) end
flush_queues()
unique.free(waiting_ids) -- they will not run
flush_queues()
wake_waiting_workers()
return {count, moved_ids}
