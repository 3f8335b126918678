-- Posting, and ringing for workers that wait. `flush` must be called after the last `post`.

local ready, later, soonest, added = {}, {}, {}, {}

local function into(lists, queue, score, member)
  local list = lists[queue]
  if not list then
    list = {}
    lists[queue] = list
  end
  list[#list + 1] = score
  list[#list + 1] = member
end

local function make_ready(queue, priority, member)
  into(ready, queue, priority, member)
  added[queue] = (added[queue] or 0) + 1
end

-- Queues a message whose record is kept.
local function queue_up(queue, priority, delay, seq, id)
  if delay > 0 then
    local due = now + delay
    into(later, queue, format('%.0f', due), seq .. priority .. '\0' .. id)
    if due < (soonest[queue] or math.huge) then soonest[queue] = due end
  else
    make_ready(queue, priority, seq .. id)
  end
end

-- Puts a message on its queue, cancelled or not, unless its id is known already.
local function post(queue, priority, delay, head, id, body, ends)
  if ends then delay = 0 end
  local seq = place_of(math.min(draw() + delay * 1000, EXACT))
  if call('HSETNX', MESSAGES, id, seq .. head .. body) == 1 then
    queue_up(queue, priority, delay, seq, id)
    if ends then call('ZADD', CANCELLED, 0, '\0' .. id) end
  end
end

-- The same for *count* messages that differ in id and body, which are in turn in ARGV from number *first* on. Returns how many are new.
local function post_all(queue, priority, delay, head, first, count)
  local seen, new = {}, 0
  for from = first, first + 2 * count - 1, CHUNK do
    local ids, records = {}, {}
    for i = from, math.min(from + CHUNK, first + 2 * count) - 2, 2 do ids[#ids + 1] = ARGV[i] end
    for i, known in ipairs(call('HMGET', MESSAGES, unpack(ids))) do
      local id = ids[i]
      if not known and not seen[id] then
        local seq = place_of(math.min(draw() + delay * 1000, EXACT))
        seen[id] = true
        new = new + 1
        records[#records + 1] = id
        records[#records + 1] = seq .. head .. ARGV[from + 2 * i - 1]
        queue_up(queue, priority, delay, seq, id)
      end
    end
    if records[1] then call('HSET', MESSAGES, unpack(records)) end
  end
  return new
end

local function flush()
  for queue, list in pairs(ready) do
    call('SADD', QUEUES, name(queue))
    bulk('ZADD', key(queue, READY), list)
  end
  for queue, list in pairs(later) do
    call('SADD', QUEUES, name(queue))
    bulk('ZADD', key(queue, DELAYED), list)
  end
  ready, later = {}, {}
end

-- Makes ready up to *most* of what is due in a queue; returns when more will be, nothing if never.
local function promote(queue, most)
  local first = call('ZRANGE', key(queue, DELAYED), 0, 0, 'WITHSCORES')
  if first[2] and tonumber(first[2]) <= now then
    local due = call('ZRANGEBYSCORE', key(queue, DELAYED), '-inf', now, 'LIMIT', 0, most)
    for _, member in ipairs(due) do
      local priority, id = string.match(member, '^(%-?%d+)%z(.*)$', PLACE + 1)
      if id then make_ready(queue, priority, sub(member, 1, PLACE) .. id) end -- else something else has written it, and it goes
    end
    call('ZREM', key(queue, DELAYED), unpack(due))
    first = call('ZRANGE', key(queue, DELAYED), 0, 0, 'WITHSCORES')
  end
  return tonumber(first[2])
end

-- Wakes up to *count* workers that wait for *queue*. One that is gone hears nothing, and the next is tried.
local function ring(queue, count)
  local prefix = name(queue) .. '\0'
  local waiting = call('ZRANGEBYLEX', WAITING, '[' .. prefix, '(' .. name(queue) .. '\1', 'LIMIT', 0, math.min(count, 32) + 8)
  for _, member in ipairs(waiting) do
    if count <= 0 then return end
    call('ZREM', WAITING, member)
    count = count - call('PUBLISH', sub(member, #prefix + 1), '')
  end
end

-- Rings for everything that has become ready, or due sooner than what the workers wait for.
local function ring_all()
  if not next(added) and not next(soonest) or call('EXISTS', WAITING) == 0 then return end
  for queue, count in pairs(added) do
    local left = call('ZCARD', key(queue, READY))
    if left > 0 then ring(queue, math.min(count, left)) end
  end
  for queue, due in pairs(soonest) do
    local first = call('ZRANGE', key(queue, DELAYED), 0, 0, 'WITHSCORES')
    if first[2] and tonumber(first[2]) >= due then ring(queue, 1) end
  end
end
