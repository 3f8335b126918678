-- What a commit does: dispositions say what becomes of its message, operations store results, join groups and enqueue other messages.
--
-- It is not a script, but goes before others. That of a turn sets the three variables that come first.

local has_delivery_notes, has_cancelled, dead_ttl_ms = false, false, 0
local moved_letters = {} -- letters that have a later one in another queue: queue and id of each

local function store_result(result_key, ttl, id, body)
  local before = redis.pcall('SET', result_key, 'R' .. body, 'PX', ttl, 'GET')
  if type(before) == 'table' then
    call('SET', result_key, 'R' .. body, 'PX', ttl) -- it was a key of another type
  elseif before and sub(before, 1, 1) == 'W' then
    local news = #body <= 65536 and id .. '\0' .. body or id
    for reader in string.gmatch(sub(before, 2), '[^\n]+') do call('PUBLISH', reader, news) end
  end
end

-- The follow-ups of a group are kept, in a hash, from the first arrival that brings them to the last: each as in the arguments, and the names of
-- their queues, with those of two keys of each, since the call that needs them does not name them.
local FOLLOWUP_SIZE = 8 -- arguments: queue, priority, delay, head of the record, id, head, tail and rest of the body

local function keep_followups(followups_key, first, count, ttl)
  if call('EXISTS', followups_key) == 1 then return end
  local queues, numbers, posts = {}, {}, {}
  for i = 1, count do
    local queue = tonumber(ARGV[first])
    if not numbers[queue] then
      queues[#queues + 1] = {queue_name(queue), queue_key(queue, READY), queue_key(queue, DELAYED)}
      numbers[queue] = #queues
    end
    posts[i] = {numbers[queue], unpack(ARGV, first + 1, first + FOLLOWUP_SIZE - 1)}
    first = first + FOLLOWUP_SIZE
  end
  call('HSET', followups_key, 'queues', cmsgpack.pack(queues), 'posts', cmsgpack.pack(posts))
  call('PEXPIRE', followups_key, ttl)
end

-- Returns the numbers of the queues of follow-ups that are kept.
local function followup_queues(followups_key)
  local numbers, kept = {}, call('HGET', followups_key, 'queues')
  for i, queue in ipairs(kept and cmsgpack.unpack(kept) or {}) do numbers[i] = queue_number(unpack(queue)) end
  return numbers
end

-- Keeps a dead letter.
local function bury(queue, id, record, fault)
  local before = call('HGET', LETTERS, id)
  if before then
    local _, _, _, old_record = parse_letter(before)
    local old_queue = queue_of_record(old_record)
    if old_queue ~= queue_name(queue) then moved_letters[#moved_letters + 1] = {old_queue, id} end
  end
  call('ZADD', queue_key(queue, DEAD), format('%.0f', math.min(next_arrival_us() + dead_ttl_ms * 1000, MAX_EXACT_INTEGER)), id)
  call('HSET', LETTERS, id, format('%.0f', now_ms) .. '\0' .. fault .. '\0' .. record)
  drop_expired_letters(queue)
end

-- Returns the operations and the dispositions, by name. They are made only where they are needed, since few turns need them, and making
-- them takes a tenth of such a turn.
local function load_operations()
  -- Returns the values of all members as a JSON list, in the order of the members, not of their arrival.
  local function group_values(group_key, size)
    local values = {}
    for first = 0, size - 1, MAX_VALUES do
      local fields = {}
      for member = first, math.min(first + MAX_VALUES, size) - 1 do fields[#fields + 1] = format('%d', member) end
      for _, value in ipairs(call('HMGET', group_key, unpack(fields))) do values[#values + 1] = value or nil end
    end
    return '[' .. concat(values, ',') .. ']'
  end

  -- Enqueues one follow-up, with the *values* of the group in its body and, if that has a rest, the time.
  local function enqueue_followup(values, is_cancelled, queue, priority, delay_ms, record_head, id, head, tail, rest)
    if rest ~= '' then tail = tail .. format('%.0f', now_ms) .. rest end
    enqueue(queue, priority, tonumber(delay_ms), record_head, id, head .. values .. tail, is_cancelled)
  end

  -- Enqueues the follow-ups of a complete group: the *count* that begin at the argument *first*, or else those that are kept.
  local function enqueue_followups(values, is_cancelled, followups_key, first, count)
    for _ = 1, count do
      enqueue_followup(values, is_cancelled, tonumber(ARGV[first]), unpack(ARGV, first + 1, first + FOLLOWUP_SIZE - 1))
      first = first + FOLLOWUP_SIZE
    end
    local kept = count == 0 and call('HGET', followups_key, 'posts')
    if kept then
      local numbers = followup_queues(followups_key)
      for _, post in ipairs(cmsgpack.unpack(kept)) do enqueue_followup(values, is_cancelled, numbers[post[1]], unpack(post, 2)) end
    end
    call('DEL', followups_key)
  end

  -- Starts the ttl of results that wait for a group: the hash has the ttl of each by the name of its key.
  local function release_held_results(held_key)
    local results = call('HGETALL', held_key)
    for i = 1, #results, 2 do call('PEXPIRE', results[i], results[i + 1]) end
    call('DEL', held_key)
  end

  -- Each operation reads its arguments, which begin at *cursor*; *is_cancelled* says whether the message of the commit is cancelled.
  local operations = {}

  local function enqueue_operation(is_cancelled)
    local first = skip(6) -- queue, priority, delay, head of the record, id, body
    enqueue(tonumber(ARGV[first]), ARGV[first + 1], tonumber(ARGV[first + 2]), ARGV[first + 3], ARGV[first + 4], ARGV[first + 5], is_cancelled)
  end

  function operations.enqueue() enqueue_operation(false) end

  -- Enqueues a message that continues the workflow of its own.
  function operations.continue(is_cancelled)
    enqueue_operation(is_cancelled)
    has_cancelled = has_cancelled or is_cancelled
  end

  -- Enqueues a message that may have a unique key, unless that is held.
  function operations.place(is_cancelled)
    local unique, continues = load_unique_keys(), next_flag()
    unique.place(unique.next_post(), continues and is_cancelled)
    has_cancelled = has_cancelled or continues and is_cancelled
  end

  -- Sets a mark that is as expected.
  function operations.mark()
    local marks = load_marks()
    marks.set(marks.next_op())
  end

  function operations.store()
    local result, ttl, id, body = next_number(), next_text(), next_text(), next_text()
    store_result(extra_key(result), ttl, id, body)
  end

  -- Stores a result whose ttl starts when a group is complete.
  function operations.hold()
    local result_key, ttl, id, body = extra_key(next_number()), next_text(), next_text(), next_text()
    local max_hold_ms, group = next_text(), next_number()
    local held_key = extra_key(group + 2)
    if call('HGET', extra_key(group), 'done') ~= '1' then
      call('HSET', held_key, result_key, ttl)
      call('PEXPIRE', held_key, max_hold_ms)
      ttl = math.max(ttl, max_hold_ms)
    end
    store_result(result_key, format('%.0f', ttl), id, body)
  end

  local function complete_group(arrival, is_cancelled)
    local values = group_values(arrival.group_key, arrival.size)
    call('DEL', arrival.group_key)
    call('HSET', arrival.group_key, 'done', 1)
    enqueue_followups(values, is_cancelled, arrival.followups_key, arrival.first_followup, arrival.followup_count)
    has_cancelled = has_cancelled or is_cancelled
    release_held_results(arrival.held_key)
  end

  local function next_arrival()
    local group = next_number()
    local arrival = {group_key = extra_key(group), followups_key = extra_key(group + 1), held_key = extra_key(group + 2)}
    arrival.member = next_text()
    arrival.size = next_number()
    arrival.value = next_text()
    arrival.ttl_when_open = next_text()
    arrival.ttl_when_complete = next_text()
    arrival.followup_count = next_number()
    arrival.first_followup = skip(FOLLOWUP_SIZE * arrival.followup_count)
    return arrival
  end

  function operations.arrive()
    local arrival = next_arrival()
    local group_key, followups_key = arrival.group_key, arrival.followups_key
    -- The field "done" is 1 if the group is complete, 0 if it was cancelled before. To an older fq both are complete, so it enqueues no follow-up.
    local done = call('HGET', group_key, 'done')
    if arrival.size == 1 and arrival.followup_count == 0 and call('EXISTS', group_key) == 0 then
      release_held_results(arrival.held_key)
    elseif done ~= '1' and call('HSETNX', group_key, arrival.member, arrival.value) == 1 then
      local ttl = arrival.ttl_when_open
      if call('HLEN', group_key) - (done and 1 or 0) >= arrival.size then
        complete_group(arrival, done == '0')
        ttl = arrival.ttl_when_complete
      elseif arrival.followup_count > 0 then
        keep_followups(followups_key, arrival.first_followup, arrival.followup_count, ttl)
      end
      call('PEXPIRE', group_key, ttl)
      call('PEXPIRE', followups_key, ttl)
    end
  end

  -- Each disposition reads its arguments, which begin at *cursor*, and takes the queue and the id of the message.
  local dispositions = {}

  function dispositions.ack() end

  function dispositions.go_on() end

  function dispositions.reschedule(_, id)
    local fault, queue, priority, delay_ms = next_text(), next_number(), next_text(), next_number()
    local head, body = next_text(), next_text()
    if fault == '' then
      local _, _, latest_fault = parse_delivery_note(has_delivery_notes and call('HGET', DELIVERY_NOTES, id))
      fault = latest_fault
    end
    if fault ~= '' then
      call('HSET', DELIVERY_NOTES, id, delivery_note(0, '', fault))
      has_delivery_notes = true
    elseif has_delivery_notes then
      call('HDEL', DELIVERY_NOTES, id)
    end
    if has_cancelled and call('ZSCORE', CANCELLED, '\0' .. id) then delay_ms = 0 end -- it comes back at once, to end
    if has_holders then load_unique_keys().move(id, queue) end
    enqueue(queue, priority, delay_ms, head, id, body)
  end

  function dispositions.bury(queue, id)
    local fault = next_text()
    local record = call('HGET', MESSAGES, id)
    if record then
      bury(queue, id, record, fault)
      call('HDEL', MESSAGES, id)
    end
    call('HDEL', DELIVERY_NOTES, id)
    remove_cancel_marks(nil, {id})
    if has_holders then load_unique_keys().free({id}) end
  end

  function dispositions.release(queue, id)
    local is_counted, interrupted = next_flag(), next_text()
    local record = call('HGET', MESSAGES, id)
    if not record then return end
    local priority, sequence = priority_and_sequence(record)
    local deliveries, _, fault = parse_delivery_note(call('HGET', DELIVERY_NOTES, id))
    deliveries = deliveries + (is_counted and 1 or 0)
    if deliveries > 0 or interrupted ~= '' or fault ~= '' then
      call('HSET', DELIVERY_NOTES, id, delivery_note(deliveries, interrupted, fault))
      has_delivery_notes = true
    else
      call('HDEL', DELIVERY_NOTES, id)
    end
    make_ready(queue, priority, sequence .. id)
  end

  return operations, dispositions
end
