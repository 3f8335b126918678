-- Says what some queues hold, for each: ready, delayed, in flight, dead, how long the oldest ready message has waited, whether it is paused.
--
-- KEYS      after the queues: for each queue, what each worker has claimed of it

-- The first message of each priority is its oldest. Of a queue with more priorities than twice this, the least and the most urgent are looked at.
local PRIORITIES = 256

-- Returns since when the oldest ready message of a queue has been ready, ms.
local function oldest(queue)
  local ready, since = key(queue, READY), micros
  for _, way in ipairs({{'ZRANGEBYSCORE', '-inf', '+inf'}, {'ZREVRANGEBYSCORE', '+inf', '-inf'}}) do
    local command, from, to = unpack(way)
    for _ = 1, PRIORITIES do
      local priority = call(command, ready, from, to, 'LIMIT', 0, 1, 'WITHSCORES')[2]
      if not priority then return math.floor(since / 1000) end
      local first = call('ZRANGEBYSCORE', ready, priority, priority, 'LIMIT', 0, 1)[1]
      since = math.min(since, tonumber(sub(first, 1, PLACE)) or micros)
      from = '(' .. priority
    end
  end
  return math.floor(since / 1000)
end

local reply = {}
local workers = queues > 0 and (#KEYS - 9 - 4 * queues) / queues or 0
local at = 10 + 4 * queues
for queue = 1, queues do
  promote(queue, 100)
  flush()
  local due, running = call('ZCOUNT', key(queue, DELAYED), '-inf', now), 0
  for _ = 1, workers do
    running = running + held(KEYS[at])
    at = at + 1
  end
  reply[queue] = {
    call('ZCARD', key(queue, READY)) + due, call('ZCARD', key(queue, DELAYED)) - due, running,
    call('ZCOUNT', key(queue, DEAD), '(' .. format('%.0f', micros), '+inf'), math.max(0, now - oldest(queue)), call('SISMEMBER', PAUSED, name(queue)),
  }
end
ring_all()
return reply
