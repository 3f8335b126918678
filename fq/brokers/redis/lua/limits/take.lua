-- Takes a slot: it decides as `fq.brokers.limits.policy` does, line by line, where the data is.
-- Returns {1, until when the slot is taken}, or {0, in how many ms to ask again}.
--
-- ARGV[2]   kind, "slots", "window" or "bucket"; how many slots there are; the ttl, or the length of the window or bucket; owner; token;
--           "1" if the owner queues up; priority; then constants of the policy

local _, kind, limit, length, owner, token, queues_up, priority = unpack(ARGV, 1, 8)
local NO_SHOW_MS, INITIAL_HOLD_MS, ESTIMATE_RESOLUTION, SHORT_WAIT_MS, SLEEP_FRACTION, HELD_SLOT_RECHECK_MS = unpack(ARGV, 9, 14)
limit, length, queues_up, priority = tonumber(limit), tonumber(length), queues_up == '1', tonumber(priority)
NO_SHOW_MS, INITIAL_HOLD_MS, ESTIMATE_RESOLUTION = tonumber(NO_SHOW_MS), tonumber(INITIAL_HOLD_MS), tonumber(ESTIMATE_RESOLUTION)
SHORT_WAIT_MS, SLEEP_FRACTION, HELD_SLOT_RECHECK_MS = tonumber(SHORT_WAIT_MS), tonumber(SLEEP_FRACTION), tonumber(HELD_SLOT_RECHECK_MS)
local floor, max, min = math.floor, math.max, math.min

local function member_of(waiting_owner) return call('HGET', FACTS, '\0' .. waiting_owner) end

-- Lets an owner wait no longer.
local function leave(waiting_owner)
  local member = member_of(waiting_owner)
  if member then
    call('ZREM', WAITING, member)
    call('HDEL', FACTS, '\0' .. waiting_owner)
  end
  call('ZREM', RETURNS, waiting_owner)
end

for _, no_show in ipairs(call('ZRANGEBYSCORE', RETURNS, '-inf', whole(now - NO_SHOW_MS))) do leave(no_show) end

local holder = kind == 'slots' and owner or token
local own_slot = call('ZSCORE', SLOTS, holder)
local held = call('ZCARD', SLOTS) - (own_slot and 1 or 0)
local hold, known = facts('')
hold = tonumber(hold or 0)
local member = queues_up and member_of(owner)
local position = member and call('ZRANK', WAITING, member)

-- How many before the owner, whose turn it is, are about to come back. More than there are slots make no difference.
local function owners_ahead(free_count)
  if free_count <= 0 then return 0 end
  local before = position or call('ZCOUNT', WAITING, '-inf', priority) -- how many are ahead, come back or not
  if position and position < free_count or before == 0 then return 0 end
  local count = 0
  for _, other in ipairs(call('ZRANGEBYSCORE', RETURNS, '-inf', whole(now + floor(hold / ESTIMATE_RESOLUTION)))) do
    local other_member = member_of(other)
    if other_member and call('ZRANK', WAITING, other_member) < before and tonumber(sub(other_member, 1, TURN_DIGITS)) <= now then
      count = count + 1
      if count == free_count then return count end
    end
  end
  return count
end

local ahead = owners_ahead(limit - held)
if own_slot or limit - held > ahead then
  local ends = kind == 'bucket' and now - now % length + length or now + length
  call('ZADD', SLOTS, whole(ends), holder)
  call('HSET', FACTS, holder, token .. ' ' .. whole(now))
  leave(owner)
  keep(SLOTS, ends - now)
  keep_facts(ends - now)
  return {1, ends}
end

local first, taken_at, age = nil, nil, 0
if held > 0 then
  local nearest = call('ZRANGE', SLOTS, 0, 0, 'WITHSCORES')
  local _, since = facts(nearest[1])
  first, taken_at = tonumber(nearest[2]), since or now
  age, known = now - taken_at, known or taken_at
end

local function first_free_at()
  if kind ~= 'slots' then return first end
  if age < hold then return min(first, taken_at + hold) end
  local recheck_ms = hold > 0 and floor(hold / ESTIMATE_RESOLUTION) or INITIAL_HOLD_MS
  return min(first, now + min(max(age - hold, recheck_ms, 1), max(recheck_ms, HELD_SLOT_RECHECK_MS)))
end

local function held_for()
  if kind ~= 'slots' then return length end
  if not first then return INITIAL_HOLD_MS end
  return hold > 0 and hold or max(INITIAL_HOLD_MS, min(age, HELD_SLOT_RECHECK_MS))
end

local rank = ahead
if queues_up then rank = position or call('ZCOUNT', WAITING, '-inf', priority) end
local is_free = held < limit or not first
local wait = max(1, (is_free and 0 or first_free_at() - now) + floor(rank * held_for() / limit))
local retry_in = wait
if kind == 'slots' and wait > SHORT_WAIT_MS then retry_in = max(SHORT_WAIT_MS, min(floor(wait / SLEEP_FRACTION), first and now - known or 0)) end
if queues_up then
  if not position then
    local last = call('ZREVRANGEBYSCORE', WAITING, priority, priority, 'LIMIT', 0, 1)[1]
    local turn = max(now + wait, last and tonumber(sub(last, 1, TURN_DIGITS)) or 0)
    member = format('%016.0f', turn) .. owner
    call('ZADD', WAITING, priority, member)
    call('HSET', FACTS, '\0' .. owner, member)
  end
  call('ZADD', RETURNS, whole(now + retry_in), owner)
  keep_facts(retry_in + NO_SHOW_MS)
end
return {0, retry_in}
