-- Takes a slot: `fq.limits.policy` where the data is, line by line the same decisions.
--
-- ARGV[2]   kind: "slots", "window" or "bucket"
-- ARGV[3]   how many slots there are
-- ARGV[4]   the ttl, or the length of the window or bucket
-- ARGV[5]   owner, token, "1" if it waits, priority
-- ARGV[9]   ABSENT, FIRST_GUESS, GRAIN, SOON, PART, PATIENCE
-- returns   {1, until when the slot is taken}, or {0, in how many ms to ask again}

local kind, limit, length = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local owner, token, waits = ARGV[5], ARGV[6], ARGV[7] == '1'
local priority = tonumber(ARGV[8])
local ABSENT, FIRST_GUESS, GRAIN = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
local SOON, PART, PATIENCE = tonumber(ARGV[12]), tonumber(ARGV[13]), tonumber(ARGV[14])
local floor, max, min = math.floor, math.max, math.min

local function member_of(one) return call('HGET', FACTS, '\0' .. one) end

-- Lets an owner wait no longer.
local function leave(one)
  local member = member_of(one)
  if member then
    call('ZREM', WAITING, member)
    call('HDEL', FACTS, '\0' .. one)
  end
  call('ZREM', RETURNS, one)
end

for _, gone in ipairs(call('ZRANGEBYSCORE', RETURNS, '-inf', whole(now - ABSENT))) do leave(gone) end

local holder = kind == 'slots' and owner or token
local mine = call('ZSCORE', SLOTS, holder)
local held = call('ZCARD', SLOTS) - (mine and 1 or 0)
local hold, known = facts('')
hold = tonumber(hold or 0)
local member = waits and member_of(owner)
local place = member and call('ZRANK', WAITING, member)

-- How many before the owner, whose turn it is, are about to come back. More than there are slots make no difference.
local function others_ahead(free)
  if free <= 0 then return 0 end
  local before = place or call('ZCOUNT', WAITING, '-inf', priority) -- so many are ahead, come back or not
  if place and place < free or before == 0 then return 0 end
  local count = 0
  for _, other in ipairs(call('ZRANGEBYSCORE', RETURNS, '-inf', whole(now + floor(hold / GRAIN)))) do
    local its = member_of(other)
    if its and call('ZRANK', WAITING, its) < before and tonumber(sub(its, 1, TURN)) <= now then
      count = count + 1
      if count == free then return count end
    end
  end
  return count
end

local ahead = others_ahead(limit - held)
if mine or limit - held > ahead then
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

local function first_free()
  if kind ~= 'slots' then return first end
  if age < hold then return min(first, taken_at + hold) end
  local look = hold > 0 and floor(hold / GRAIN) or FIRST_GUESS
  return min(first, now + min(max(age - hold, look, 1), max(look, PATIENCE)))
end

local function held_for()
  if kind ~= 'slots' then return length end
  if not first then return FIRST_GUESS end
  return hold > 0 and hold or max(FIRST_GUESS, min(age, PATIENCE))
end

local rank = ahead
if waits then rank = place or call('ZCOUNT', WAITING, '-inf', priority) end
local free = held < limit or not first
local wait = max(1, (free and 0 or first_free() - now) + floor(rank * held_for() / limit))
local retry_in = wait
if kind == 'slots' and wait > SOON then retry_in = max(SOON, min(floor(wait / PART), first and now - known or 0)) end
if waits then
  if not place then
    local last = call('ZREVRANGEBYSCORE', WAITING, priority, priority, 'LIMIT', 0, 1)[1]
    local turn = max(now + wait, last and tonumber(sub(last, 1, TURN)) or 0)
    member = format('%016.0f', turn) .. owner
    call('ZADD', WAITING, priority, member)
    call('HSET', FACTS, '\0' .. owner, member)
  end
  call('ZADD', RETURNS, whole(now + retry_in), owner)
  keep_facts(retry_in + ABSENT)
end
return {0, retry_in}
