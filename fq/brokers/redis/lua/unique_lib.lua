-- Unique keys: which message holds each, and which is put aside for it. Few scripts need them, so the functions are made on first use.
--
-- UNIQUE   by key: <holder>\0<since, ms>\0<until when its window runs, ms>\0<1 while the message holds it, 0 once only the window does>\0<message that is
--          put aside, or ''>
-- HOLDERS  by the id of a holder, or of what is put aside: <s if the claim of the message frees the key, e if its end does>\0<key>\0<ready>\0<delayed>;
--          these are the keys of its queue, since the call that frees the key does not name them
-- ENDS     what goes at a time, ms: k<key> for a unique key that only its window holds, m<key> for a mark

local HOLDERS, UNIQUE, MARKS, LISTED, ENDS = unpack(KEYS, 10, 14)
local AWAY = format('%.0f', MAX_EXACT_INTEGER) -- when a message that is put aside falls due
local has_holders = false
local ends_added = 0 -- how many ends this script has noted; it forgets as many that have come, so that busy servers do not fall behind
local unique_keys

-- Returns an error if a key of unique messages or marks is of another type.
local function records_type_error()
  return type_error('HLEN', HOLDERS)
    or type_error('HLEN', UNIQUE)
    or type_error('HLEN', MARKS)
    or type_error('ZCARD', LISTED)
    or type_error('ZCARD', ENDS)
end

-- Returns an error if a key of a queue that the call does not name is of another type.
local function learned_queue_error()
  for _, queue in ipairs(learned_queues) do
    local wrong = type_error('ZCARD', queue[READY]) or type_error('ZCARD', queue[DELAYED])
    if wrong then return wrong end
  end
end

-- Returns the reply to this call, or to a later one of its *mark*, if it was made before: it was repeated because its reply was lost, or a copy of it
-- arrives late, and changes nothing any more. A mark holds <number>\0<reply>, or only the number while a call that was refused has no reply.
local function reply_before(mark, call_number, remembered_ms)
  local before = call('SET', mark, call_number, 'PX', remembered_ms, 'GET')
  local number, reply = string.match(before or '', '^(%d+)%z?(.*)$')
  if not number or tonumber(number) < tonumber(call_number) or number == call_number and reply == '' then return end
  call('SET', mark, before, 'PX', remembered_ms)
  return reply == '' and 0 or cmsgpack.unpack(reply)
end

local function remember_reply(mark, call_number, remembered_ms, reply)
  call('SET', mark, call_number .. '\0' .. cmsgpack.pack(reply), 'PX', remembered_ms)
  return reply
end

local function note_end(time_ms, member)
  ends_added = ends_added + 1
  call('ZADD', ENDS, time_ms, member)
end

local function load_unique_keys()
  if unique_keys then return unique_keys end

  local function read_holder(key)
    local text = call('HGET', UNIQUE, key)
    local id, since, window_end, is_held, aside = string.match(text or '', '^([^%z]*)%z(%d+)%z(%d+)%z([01])%z([^%z]*)$')
    return id and {id = id, since = since, window_end = window_end, is_held = is_held == '1', aside = aside}
  end

  local function write_holder(key, holder)
    local parts = {holder.id, holder.since, holder.window_end, holder.is_held and '1' or '0', holder.aside}
    call('HSET', UNIQUE, key, concat(parts, '\0'))
  end

  local function enter_holder(id, is_freed_at_start, key, queue)
    local parts = {is_freed_at_start and 's' or 'e', key, queue_key(queue, READY), queue_key(queue, DELAYED)}
    call('HSET', HOLDERS, id, concat(parts, '\0'))
    has_holders = true
  end

  -- Returns when its key is freed, the key, and the two keys of its queue.
  local function parse_entry(entry) return string.match(entry or '', '^([se])%z([^%z]*)%z([^%z]*)%z([^%z]*)$') end

  -- Returns the record of a message that holds a key, or is put aside for it, and the number of its queue.
  local function find_message(id)
    local record, _, key, ready, delayed = call('HGET', MESSAGES, id), parse_entry(call('HGET', HOLDERS, id))
    if record and key then return record, queue_number(queue_of_record(record) or '', ready, delayed) end
  end

  local function exists(id) return id ~= '' and call('HEXISTS', MESSAGES, id) == 1 end

  -- Makes a message ready that was put aside, unless it is cancelled, and so ready already.
  local function fetch_aside(id)
    local record, queue = find_message(id)
    if not record then return end
    local priority, sequence = priority_and_sequence(record)
    if call('ZREM', queue_key(queue, DELAYED), delayed_member(sequence, priority, id)) == 0 then return end
    sequence = sequence_at(next_arrival_us())
    call('HSET', MESSAGES, id, sequence .. sub(record, SEQUENCE_DIGITS + 1))
    make_ready(queue, priority, sequence .. id)
  end

  -- Lets the message that is put aside take a key that its holder frees, else the window, else nothing.
  local function pass_on(key, holder)
    if exists(holder.aside) then
      holder.id, holder.since, holder.aside = holder.aside, format('%.0f', now_ms), ''
      write_holder(key, holder)
      fetch_aside(holder.id)
      return holder
    end
    holder.is_held, holder.aside = false, ''
    if tonumber(holder.window_end) > now_ms then
      write_holder(key, holder)
      note_end(holder.window_end, 'k' .. key)
      return holder
    end
    call('HDEL', UNIQUE, key)
    call('ZREM', ENDS, 'k' .. key)
  end

  -- Returns who holds a key, nothing if it is free. A message that a server has lost holds nothing.
  local function holder_of(key)
    local holder = read_holder(key)
    if not holder then return end
    if not exists(holder.aside) then holder.aside = '' end
    if holder.is_held and exists(holder.id) then return holder end
    if holder.is_held then call('HDEL', HOLDERS, holder.id) end
    return pass_on(key, holder)
  end

  local function free_entry(id, key)
    call('HDEL', HOLDERS, id)
    local holder = read_holder(key)
    if holder and holder.id == id then
      pass_on(key, holder)
    elseif holder and holder.aside == id then
      holder.aside = ''
      write_holder(key, holder)
    end
  end

  -- Does a message run, or was it delivered before, or has it failed? One that neither is ready nor delayed is claimed.
  local function has_begun(id)
    local deliveries, _, fault = parse_delivery_note(call('HGET', DELIVERY_NOTES, id))
    if deliveries ~= '0' or fault ~= '' then return true end
    local record, queue = find_message(id)
    if not record then return false end
    flush_queues()
    local priority, sequence = priority_and_sequence(record)
    local function is_in(kind, member) return type(redis.pcall('ZSCORE', queue_key(queue, kind), member)) == 'string' end
    return not is_in(READY, sequence .. id) and not is_in(DELAYED, delayed_member(sequence, priority, id))
  end

  -- Lets a message wait that is not in its queue: for a time, or without one, put aside.
  local function queue_again(queue, priority, delay_ms, head, id, body)
    local sequence = delay_ms and next_sequence(delay_ms) or sequence_at(MAX_EXACT_INTEGER)
    call('HSET', MESSAGES, id, sequence .. head .. body)
    if delay_ms then
      queue_message(queue, priority, delay_ms, sequence, id)
    else
      append_scored(delayed_members, queue, AWAY, delayed_member(sequence, priority, id))
    end
  end

  unique_keys = {queue_again = queue_again}

  function unique_keys.next_post()
    local post = {queue = next_number(), priority = next_text(), delay_ms = next_number()}
    post.head, post.id, post.body = next_text(), next_text(), next_text()
    post.unique_key = next_text() -- '' if it has none
    post.is_freed_at_start, post.window_ms, post.goes_aside = next_flag(), next_number(), next_flag()
    return post
  end

  local function take(post)
    call('ZREM', ENDS, 'k' .. post.unique_key)
    local now = format('%.0f', now_ms)
    write_holder(post.unique_key, {id = post.id, since = now, window_end = format('%.0f', now_ms + post.window_ms), is_held = true, aside = ''})
    enter_holder(post.id, post.is_freed_at_start, post.unique_key, post.queue)
  end

  -- Puts a message on its queue unless its id is known or its unique key is held. Returns the id of the message that stands for it, and whether it is new.
  function unique_keys.place(post, is_cancelled)
    if exists(post.id) then return post.id, false end
    local holder = post.unique_key ~= '' and holder_of(post.unique_key)
    if not holder then
      enqueue(post.queue, post.priority, post.delay_ms, post.head, post.id, post.body, is_cancelled)
      if post.unique_key ~= '' then take(post) end
      return post.id, true
    end
    if post.goes_aside and holder.aside ~= '' then return holder.aside, false end
    if not (post.goes_aside and holder.is_held and has_begun(holder.id)) then return holder.id, false end
    holder.aside, holder.window_end = post.id, format('%.0f', math.max(holder.window_end, now_ms + post.window_ms))
    write_holder(post.unique_key, holder)
    enter_holder(post.id, post.is_freed_at_start, post.unique_key, post.queue)
    if is_cancelled then
      enqueue(post.queue, post.priority, 0, post.head, post.id, post.body, true)
    else
      queue_again(post.queue, post.priority, nil, post.head, post.id, post.body)
    end
    return post.id, true
  end

  -- Learns the queues of what is put aside for the keys of messages, so that their types can be checked before the first write.
  function unique_keys.learn_queues(ids)
    if #ids == 0 then return end
    for _, entry in ipairs(call('HMGET', HOLDERS, unpack(ids))) do
      local _, key = parse_entry(entry)
      local holder = key and read_holder(key)
      if holder and holder.aside ~= '' then find_message(holder.aside) end
    end
  end

  -- Frees the keys of messages: of all that have ended, or of those that are claimed, where the claim frees them.
  function unique_keys.free(ids, is_start)
    if #ids == 0 then return end
    for i, entry in ipairs(call('HMGET', HOLDERS, unpack(ids))) do
      local freed_at, key = parse_entry(entry)
      if key and (not is_start or freed_at == 's') then free_entry(ids[i], key) end
    end
  end

  -- Notes that a message is in another queue now.
  function unique_keys.move(id, queue)
    local freed_at, key = parse_entry(call('HGET', HOLDERS, id))
    if key then enter_holder(id, freed_at == 's', key, queue) end
  end

  -- Forgets a key that only its window held, now that this has ended.
  function unique_keys.expire(key)
    local holder = read_holder(key)
    if holder and not holder.is_held and tonumber(holder.window_end) <= now_ms then call('HDEL', UNIQUE, key) end
  end

  -- Lets a message take its key anew which only its own window holds. Returns whether it may be placed: whether no other message holds the key.
  function unique_keys.renew(id, key)
    local holder = holder_of(key)
    if holder and holder.id == id and not holder.is_held then
      call('HDEL', UNIQUE, key)
      call('ZREM', ENDS, 'k' .. key)
    end
    return not holder or holder.id == id
  end

  -- Returns the unique key of a message, and who holds it.
  function unique_keys.of_message(id)
    local _, key = parse_entry(call('HGET', HOLDERS, id))
    return key, key and read_holder(key)
  end

  return unique_keys
end
