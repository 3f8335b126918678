-- Takes back what a dead worker has claimed, up to a number of messages; returns how many it took and whether that was all.

local worker, is_known_dead, max_count, channel, counts_for_all = next_text(), next_flag(), next_number(), next_text(), next_flag()

local lease = call('ZSCORE', LEASES, worker)
if not is_known_dead and not (lease and tonumber(lease) <= now_ms) then return {0, 1} end

local interrupted, is_counted = {}, {} -- why a delivery was cut short, and whether it counts, by id
for _ = 1, next_number() do
  local id = next_text()
  interrupted[id] = next_text()
end
while cursor <= #ARGV do is_counted[next_text()] = true end

-- Returns the ids of up to *limit* messages that the worker has claimed of a queue.
local function claimed_ids(queue, limit)
  local ids = {}
  if limit <= 0 then return ids end
  for _, id in ipairs(call('HRANDFIELD', queue_key(queue, CLAIMED), limit + 1)) do
    if id ~= PAD_FIELD then ids[#ids + 1] = id end
  end
  return ids
end

local function make_ready_again(queue, ids)
  local notes, changed_notes = call('HMGET', DELIVERY_NOTES, unpack(ids)), {}
  for i, record in ipairs(call('HMGET', MESSAGES, unpack(ids))) do
    if record then
      local id = ids[i]
      local priority, sequence = priority_and_sequence(record)
      local deliveries, _, fault = parse_delivery_note(notes[i])
      deliveries = deliveries + ((counts_for_all or is_counted[id]) and 1 or 0)
      changed_notes[#changed_notes + 1] = id
      changed_notes[#changed_notes + 1] = delivery_note(deliveries, interrupted[id] or '', fault)
      make_ready(queue, priority, sequence .. id)
    end
  end
  call_in_chunks('HSET', DELIVERY_NOTES, changed_notes)
  call('HDEL', queue_key(queue, CLAIMED), unpack(ids))
  if call('EXISTS', CANCELLED) == 1 then
    for _, id in ipairs(ids) do call('ZREM', CANCELLED, worker .. '\0' .. id) end
  end
end

allow_when_memory_is_full()
local taken_count, remaining = 0, 0
for queue = 1, queue_count do
  local ids = claimed_ids(queue, max_count - taken_count)
  if #ids > 0 then make_ready_again(queue, ids) end
  taken_count = taken_count + #ids
  remaining = remaining + claim_count(queue_key(queue, CLAIMED))
end
flush_queues()
if remaining == 0 then
  call('ZREM', LEASES, worker)
  call('HDEL', WORKERS, worker)
  for queue = 1, queue_count do
    call('DEL', queue_key(queue, CLAIMED))
    call('ZREM', WAITING, queue_name(queue) .. '\0' .. channel)
  end
end
wake_waiting_workers()
return {taken_count, remaining == 0 and 1 or 0}
