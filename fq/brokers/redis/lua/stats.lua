-- Says what some queues hold, for each: ready, delayed, in flight, dead, how long the first has waited, whether it is paused.
--
-- KEYS      after the queues: for each queue, what each worker has claimed of it

local reply = {}
local workers = queues > 0 and (#KEYS - 9 - 4 * queues) / queues or 0
local at = 10 + 4 * queues
for queue = 1, queues do
  promote(queue, 100)
  flush()
  local due, running, since = call('ZCOUNT', key(queue, DELAYED), '-inf', now), 0, now
  for _ = 1, workers do
    running = running + held(KEYS[at])
    at = at + 1
  end
  local first = call('ZRANGE', key(queue, READY), 0, 0)[1]
  if first then since = math.floor((tonumber(sub(first, 1, PLACE)) or micros) / 1000) end
  reply[queue] = {
    call('ZCARD', key(queue, READY)) + due, call('ZCARD', key(queue, DELAYED)) - due, running,
    call('ZCOUNT', key(queue, DEAD), '(' .. format('%.0f', micros), '+inf'), math.max(0, now - since), call('SISMEMBER', PAUSED, name(queue)),
  }
end
ring_all()
return reply
