-- Makes ready what is due, renews the lease of the worker, and claims messages by (priority, arrival), as many as it wants.

local MAX_IDLE_MS, MAX_PROMOTED = 60000, 1000

local next_due = now_ms + MAX_IDLE_MS
for queue = 1, header.queue_count do
  next_due = math.min(next_due, promote_due(queue, MAX_PROMOTED) or next_due, earliest_due[queue] or next_due)
end
flush_queues()

call('ZADD', LEASES, format('%.0f', now_ms + header.lease_ms), header.worker)
local leases, expired = call('ZRANGE', LEASES, 0, 3, 'WITHSCORES'), {}
for i = 1, #leases, 2 do
  local worker, ends_at = leases[i], tonumber(leases[i + 1])
  if ends_at <= now_ms then expired[#expired + 1] = {worker, call('HGET', WORKERS, worker) or ''} end
  if worker ~= header.worker and (ends_at > now_ms or not header.is_patient) then next_due = math.min(next_due, ends_at) end
end

-- What workers held whose leases have run out comes first: the caller takes it back, and comes again.
local limit = header.is_patient and expired[1] and 0 or header.limit
local token, token_text = 0, '0'
tell_handed()
for step = 0, header.queue_count - 1 do
  local queue = (header.first_queue + step) % header.queue_count + 1
  local may_claim = limit > claimed_count and not is_full and not paused_queues[queue_name(queue)]
  local members = may_claim and call('ZRANGE', queue_key(queue, READY), 0, limit - claimed_count - 1) or {}
  if #members > 0 then
    if token == 0 then
      -- A token says when it was drawn, and is new to this worker, should the clock be set back. Another worker's cannot be taken for it,
      -- since each has a hash of its own.
      token = math.max(next_arrival_us(), tonumber(memory.latest_token) + 1)
      token_text = format('%.0f', token)
    end
    local ids, fields = {}, {PAD_FIELD, PAD_VALUE}
    for i, member in ipairs(members) do
      local id = sub(member, SEQUENCE_DIGITS + 1)
      ids[i], fields[2 * i + 1], fields[2 * i + 2] = id, id, token_text
    end
    local records = read_records(ids)
    for i = #members, #records + 1, -1 do
      members[i], ids[i], fields[2 * i + 1], fields[2 * i + 2] = nil, nil, nil, nil
    end
    if #ids > 0 then
      call('ZREMRANGEBYRANK', queue_key(queue, READY), 0, #members - 1)
      call('HSET', queue_key(queue, CLAIMED), unpack(fields))
      append_claim(queue, ids, members, records)
      if has_holders then load_unique_keys().free(ids, true) end
    end
  end
end

if has_holders then flush_queues() end
local has_due_marks, next_mark = due_marks()
next_due = math.min(next_due, next_mark)

-- Which of the messages that the worker holds have been cancelled since its last turn.
local cancelled_ids = {}
if has_cancelled then
  local prefix = header.worker .. '\0'
  for i, mark in ipairs(call('ZRANGEBYLEX', CANCELLED, '[' .. prefix, '(' .. header.worker .. '\1', 'LIMIT', 0, 1000)) do
    cancelled_ids[i] = sub(mark, #prefix + 1)
    call('ZREM', CANCELLED, mark)
  end
end
