-- Says what the first of some queues hold, for each: ready, delayed, in flight, dead, how long the oldest ready message has waited in ms, whether it is paused.

-- The first message of each priority is its oldest. Of a queue with more priorities than twice this, the least and the most urgent are looked at.
local MAX_PRIORITIES = 256
local MAX_LOOKS = 1000 -- at priorities, of all queues; the caller asks for the other queues again
local DIRECTIONS = {{'ZRANGEBYSCORE', '-inf', '+inf'}, {'ZREVRANGEBYSCORE', '+inf', '-inf'}}

local looks = 0

-- Returns since when the oldest ready message of a queue has been ready, ms. One that has fallen due is ready, even before a turn makes it so.
local function oldest_ready(queue)
  local ready, since_us = queue_key(queue, READY), math.min(now_us, (first_due(queue) or math.huge) * 1000)
  for _, direction in ipairs(DIRECTIONS) do
    local command, from, to = unpack(direction)
    for _ = 1, MAX_PRIORITIES do
      looks = looks + 1
      local priority = call(command, ready, from, to, 'LIMIT', 0, 1, 'WITHSCORES')[2]
      if not priority then return math.floor(since_us / 1000) end
      local first = call('ZRANGEBYSCORE', ready, priority, priority, 'LIMIT', 0, 1)[1]
      since_us = math.min(since_us, tonumber(sub(first, 1, SEQUENCE_DIGITS)) or now_us)
      from = '(' .. priority
    end
  end
  return math.floor(since_us / 1000)
end

local worker_count = queue_count > 0 and (#KEYS - FIXED_COUNT - 4 * queue_count) / queue_count or 0

local function in_flight_count(queue)
  local count = 0
  for worker = 1, worker_count do count = count + claim_count(extra_key((queue - 1) * worker_count + worker)) end
  return count
end

local reply = {}
for queue = 1, queue_count do
  if looks > MAX_LOOKS then break end
  local due_count = call('ZCOUNT', queue_key(queue, DELAYED), '-inf', now_ms)
  reply[queue] = {
    call('ZCARD', queue_key(queue, READY)) + due_count,
    call('ZCARD', queue_key(queue, DELAYED)) - due_count,
    in_flight_count(queue),
    call('ZCOUNT', queue_key(queue, DEAD), '(' .. format('%.0f', now_us), '+inf'),
    math.max(0, now_ms - oldest_ready(queue)),
    call('SISMEMBER', PAUSED, queue_name(queue)),
  }
end
return reply
