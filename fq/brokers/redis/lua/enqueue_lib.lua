-- Enqueues messages, and wakes workers that wait. A script calls `flush_queues` after its last `enqueue`, and `wake_waiting_workers` at its end.

local ready_members, delayed_members, earliest_due, added_counts = {}, {}, {}, {} -- each by the number of the queue

local function append_scored(lists, queue, score, member)
  local list = lists[queue]
  if not list then
    list = {}
    lists[queue] = list
  end
  list[#list + 1] = score
  list[#list + 1] = member
end

local function make_ready(queue, priority, member)
  append_scored(ready_members, queue, priority, member)
  added_counts[queue] = (added_counts[queue] or 0) + 1
end

-- Queues a message whose record is kept.
local function queue_message(queue, priority, delay_ms, sequence, id)
  if delay_ms > 0 then
    local due = now_ms + delay_ms
    append_scored(delayed_members, queue, format('%.0f', due), delayed_member(sequence, priority, id))
    if due < (earliest_due[queue] or math.huge) then earliest_due[queue] = due end
  else
    make_ready(queue, priority, sequence .. id)
  end
end

local function next_sequence(delay_ms) return sequence_at(math.min(next_arrival_us() + delay_ms * 1000, MAX_EXACT_INTEGER)) end

-- Puts a message on its queue, cancelled or not, unless its id is known already.
local function enqueue(queue, priority, delay_ms, head, id, body, is_cancelled)
  if is_cancelled then delay_ms = 0 end
  local sequence = next_sequence(delay_ms)
  if call('HSETNX', MESSAGES, id, sequence .. head .. body) == 1 then
    queue_message(queue, priority, delay_ms, sequence, id)
    if is_cancelled then call('ZADD', CANCELLED, 0, '\0' .. id) end
  end
end

-- Does the same for the *count* messages that come next, id and body of each, and differ in nothing else. Returns how many are new.
local function enqueue_next(queue, priority, delay_ms, head, count)
  local first, seen, new_count = skip(2 * count), {}, 0
  for from = first, first + 2 * count - 1, MAX_VALUES do
    local ids, records = {}, {}
    for i = from, math.min(from + MAX_VALUES, first + 2 * count) - 2, 2 do ids[#ids + 1] = ARGV[i] end
    for i, known in ipairs(call('HMGET', MESSAGES, unpack(ids))) do
      local id = ids[i]
      if not known and not seen[id] then
        local sequence = next_sequence(delay_ms)
        seen[id] = true
        new_count = new_count + 1
        records[#records + 1] = id
        records[#records + 1] = sequence .. head .. ARGV[from + 2 * i - 1]
        queue_message(queue, priority, delay_ms, sequence, id)
      end
    end
    if records[1] then call('HSET', MESSAGES, unpack(records)) end
  end
  return new_count
end

local function flush_queues()
  for queue, members in pairs(ready_members) do
    call('SADD', QUEUES, queue_name(queue))
    call_in_chunks('ZADD', queue_key(queue, READY), members)
  end
  for queue, members in pairs(delayed_members) do
    call('SADD', QUEUES, queue_name(queue))
    call_in_chunks('ZADD', queue_key(queue, DELAYED), members)
  end
  ready_members, delayed_members = {}, {}
end

-- Returns when the first delayed message of a queue falls due, ms; nothing if there is none.
local function first_due(queue) return tonumber(call('ZRANGE', queue_key(queue, DELAYED), 0, 0, 'WITHSCORES')[2]) end

-- Makes ready up to *limit* of what is due in a queue; returns when more will be, nothing if never.
local function promote_due(queue, limit)
  local due_at = first_due(queue)
  if not due_at or due_at > now_ms then return due_at end
  local members = call('ZRANGEBYSCORE', queue_key(queue, DELAYED), '-inf', now_ms, 'LIMIT', 0, limit)
  for _, member in ipairs(members) do
    local priority, id = string.match(member, '^(%-?%d+)%z(.*)$', SEQUENCE_DIGITS + 1)
    if id then make_ready(queue, priority, sub(member, 1, SEQUENCE_DIGITS) .. id) end -- else something else has written it, and it goes
  end
  call('ZREM', queue_key(queue, DELAYED), unpack(members))
  return first_due(queue)
end

-- Wakes up to *count* workers that wait for *queue*. One that is gone hears nothing, and the next is tried.
local function wake_workers(queue, count)
  local prefix = queue_name(queue) .. '\0'
  local waiting = call('ZRANGEBYLEX', WAITING, '[' .. prefix, '(' .. queue_name(queue) .. '\1', 'LIMIT', 0, math.min(count, 32) + 8)
  for _, member in ipairs(waiting) do
    if count <= 0 then return end
    call('ZREM', WAITING, member)
    count = count - call('PUBLISH', sub(member, #prefix + 1), MESSAGES)
  end
end

-- Wakes workers for all that has become ready, or falls due sooner than what they wait for.
local function wake_waiting_workers()
  if not next(added_counts) and not next(earliest_due) or call('EXISTS', WAITING) == 0 then return end
  for queue, count in pairs(added_counts) do
    local ready_count = call('ZCARD', queue_key(queue, READY))
    if ready_count > 0 then wake_workers(queue, math.min(count, ready_count)) end
  end
  for queue, due in pairs(earliest_due) do
    local first = first_due(queue)
    if first and first >= due then wake_workers(queue, 1) end
  end
end
