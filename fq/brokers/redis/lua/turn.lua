-- One turn of a worker: applies its commits, makes ready what is due, renews its lease, claims more.
--
-- KEYS      after the queues: results and groups, as the commits name them
-- ARGV[p]   worker, number of this turn, lease, limit, channel of the worker's bell ("" if it does not wait), whether it may be registered as
--           waiting, how many of the queues it wants (the first ones), how long dead letters are kept, which queue to claim from first;
--           then how many groups of commits, each: queue, how many, how many of them are forgotten (the first ones), ids, tokens;
--           then how many commits have more to them, each: how many arguments, group, index in it, what becomes of it, changes

local worker, number, lease, limit = ARGV[p], ARGV[p + 1], tonumber(ARGV[p + 2]), tonumber(ARGV[p + 3])
local channel, registered, wanted = ARGV[p + 4], ARGV[p + 5] == '1', tonumber(ARGV[p + 6])
local dead_ttl, first_of_all = tonumber(ARGV[p + 7]), tonumber(ARGV[p + 8])
local names = concat(ARGV, '\0', 3, 2 + wanted)
p = p + 9

-- What is remembered of a worker, each ended by NUL: number of its latest turn, token of that, how many commits were stale, their ids, queues it
-- claims from.
local known = call('HGET', WORKERS, worker)
local memory = {}
for part in string.gmatch(known or '', '([^%z]*)%z') do memory[#memory + 1] = part end
local known_names = concat(memory, '\0', 4 + (memory[3] or 0))

-- Claims, by (priority, arrival), as the reply has them: for each queue its index, members, records, and what is known of former deliveries.
local claims, claimed = {}, 0

local function read_claim(queue, ids, members)
  local notes = call('EXISTS', AGAIN) == 1 and call('HMGET', AGAIN, unpack(ids)) or {}
  claims[#claims + 1] = {queue, members, call('HMGET', MESSAGES, unpack(ids)), notes}
  claimed = claimed + #ids
end

local function idle_for()
  local first = call('ZRANGE', LEASES, 0, 0, 'WITHSCORES')
  local due = tonumber(first[2])
  for queue = 1, wanted do
    first = call('ZRANGE', key(queue, DELAYED), 0, 0, 'WITHSCORES')
    if first[2] then due = math.min(due, tonumber(first[2])) end
  end
  return math.max(0, math.min(2000, due - now))
end

-- The reply to this very turn was lost: give it again.
if memory[1] == number then
  local token, stale = memory[2], {}
  for i = 4, 3 + memory[3] do stale[#stale + 1] = memory[i] end
  for queue = 1, wanted do
    local pairs_ = call('HGETALL', key(queue, CLAIMED))
    local ids = {}
    for i = 1, #pairs_, 2 do
      if pairs_[i + 1] == token then ids[#ids + 1] = pairs_[i] end
    end
    if #ids > 0 then
      local order, members = {}, {}
      for i, record in ipairs(call('HMGET', MESSAGES, unpack(ids))) do
        local priority, seq = place(record or '00000000000000\0')
        order[i] = {tonumber(priority) or 0, seq .. ids[i], ids[i]}
      end
      table.sort(order, function(a, b) return a[1] < b[1] or a[1] == b[1] and a[2] < b[2] end)
      for i, entry in ipairs(order) do members[i], ids[i] = entry[2], entry[3] end
      read_claim(queue, ids, members)
    end
  end
  return {now, tonumber(token), idle_for(), stale, {}, claims}
end

-- Fence: look at all tokens before anything is written.
local groups, stale = {}, {}
local count = tonumber(ARGV[p])
p = p + 1
for g = 1, count do
  local group = {queue = tonumber(ARGV[p]), n = tonumber(ARGV[p + 1]), gone = tonumber(ARGV[p + 2]), first = p + 3}
  local ids, tokens = group.first, group.first + group.n
  local held = call('HMGET', key(group.queue, CLAIMED), unpack(ARGV, ids, tokens - 1))
  for i = 1, group.n do
    if held[i] ~= ARGV[tokens + i - 1] then
      group.bad = group.bad or {}
      group.bad[i] = true
      stale[#stale + 1] = ARGV[ids + i - 1]
    end
  end
  groups[g] = group
  p = tokens + group.n
end
for i = 10 + 4 * queues, #KEYS do
  local found = call('TYPE', KEYS[i]).ok
  if found ~= 'none' and found ~= 'string' and found ~= 'hash' then
    return redis.error_reply('WRONGTYPE found a ' .. found .. ' at ' .. KEYS[i] .. ', expected a result or a group')
  end
end

-- The first write takes no memory. A server out of memory refuses scripts whose first write may take some; workers must go on there,
-- since what they finish makes room, while producers are refused.
call('HDEL', LETTERS, '')

local function good(group, first, n)
  if not group.bad then return unpack(ARGV, group.first + first - 1, group.first + n - 1) end
  local ids = {}
  for i = first, n do
    if not group.bad[i] then ids[#ids + 1] = ARGV[group.first + i - 1] end
  end
  return unpack(ids)
end

local again = call('EXISTS', AGAIN) == 1
for _, group in ipairs(groups) do
  if select('#', good(group, 1, group.n)) > 0 then call('HDEL', key(group.queue, CLAIMED), good(group, 1, group.n)) end
  if select('#', good(group, 1, group.gone)) > 0 then
    call('HDEL', MESSAGES, good(group, 1, group.gone))
    if again then call('HDEL', AGAIN, good(group, 1, group.gone)) end
  end
end

local function keep(result, ttl, id, body)
  local before = redis.pcall('SET', result, 'R' .. body, 'PX', ttl, 'GET')
  if type(before) == 'table' then
    call('SET', result, 'R' .. body, 'PX', ttl)
  elseif before and sub(before, 1, 1) == 'W' then
    local news = #body <= 65536 and id .. '\0' .. body or id
    for reader in string.gmatch(sub(before, 2), '[^\n]+') do call('PUBLISH', reader, news) end
  end
end

local function values(group, size)
  local list = {}
  for i = 0, size - 1, CHUNK do
    local fields = {}
    for member = i, math.min(i + CHUNK, size) - 1 do fields[#fields + 1] = tostring(member) end
    for _, value in ipairs(call('HMGET', group, unpack(fields))) do list[#list + 1] = value end
  end
  return '[' .. concat(list, ',') .. ']'
end

-- Each takes the position of its arguments and returns the position after them.
local change = {}

function change.P(at)
  post(tonumber(ARGV[at]), ARGV[at + 1], tonumber(ARGV[at + 2]), ARGV[at + 3], ARGV[at + 4], ARGV[at + 5])
  return at + 6
end

function change.K(at)
  keep(extra(tonumber(ARGV[at])), ARGV[at + 1], ARGV[at + 2], ARGV[at + 3])
  return at + 4
end

function change.J(at)
  local group, member, size, ttl, n = extra(tonumber(ARGV[at])), ARGV[at + 1], tonumber(ARGV[at + 2]), ARGV[at + 4], tonumber(ARGV[at + 5])
  local complete, body = false, nil
  if call('HEXISTS', group, 'done') == 0 and call('HSETNX', group, member, ARGV[at + 3]) == 1 then
    complete = call('HLEN', group) == size
  end
  if complete then
    body = values(group, size)
    call('DEL', group)
    call('HSET', group, 'done', 1)
  end
  call('PEXPIRE', group, ttl)
  at = at + 6
  for _ = 1, n do
    if complete then
      local head, tail = ARGV[at + 5], ARGV[at + 6]
      post(tonumber(ARGV[at]), ARGV[at + 1], tonumber(ARGV[at + 2]), ARGV[at + 3], ARGV[at + 4], head .. body .. tail)
    end
    at = at + 7
  end
  return at
end

local become = {}

function become.A(_, _, at) return at end

function become.P(_, id, at)
  if ARGV[at] ~= '' then call('HSET', AGAIN, id, '0\0\0' .. ARGV[at]) end
  post(tonumber(ARGV[at + 1]), ARGV[at + 2], tonumber(ARGV[at + 3]), ARGV[at + 4], id, ARGV[at + 5])
  return at + 6
end

function become.B(queue, id, at)
  call('ZADD', key(queue, DEAD), format('%.0f', now + dead_ttl), id)
  call('HSET', LETTERS, id, format('%.0f', now) .. '\0' .. ARGV[at])
  call('HDEL', AGAIN, id)
  return at + 1
end

function become.R(queue, id, at)
  local record = call('HGET', MESSAGES, id)
  if record then
    local priority, seq = place(record)
    local deliveries, fault = string.match(call('HGET', AGAIN, id) or '0\0\0', '^(%d+)%z[^%z]*%z(.*)$')
    local counted = ARGV[at] == '1' and 1 or 0
    if deliveries + counted > 0 or ARGV[at + 1] ~= '' or fault ~= '' then
      call('HSET', AGAIN, id, (deliveries + counted) .. '\0' .. ARGV[at + 1] .. '\0' .. fault)
    end
    make_ready(queue, priority, seq .. id)
  end
  return at + 2
end

for _ = 1, tonumber(ARGV[p]) do
  local size, group, i = tonumber(ARGV[p + 1]), groups[tonumber(ARGV[p + 2])], tonumber(ARGV[p + 3])
  if i < 0 then i = group.gone - i end
  if not (group.bad and group.bad[i]) then
    local at = become[ARGV[p + 4]](group.queue, ARGV[group.first + i - 1], p + 5)
    while at <= p + size do at = change[ARGV[at]](at + 1) end
  end
  p = p + size
end

-- Renew, promote, drop dead letters that have been kept long enough.
call('ZADD', LEASES, format('%.0f', now + lease), worker)
for queue = 1, wanted do
  local due = call('ZRANGEBYSCORE', key(queue, DELAYED), '-inf', now, 'LIMIT', 0, 1000)
  if #due > 0 then
    for _, member in ipairs(due) do
      local mark = find(member, '\0', 15, true)
      make_ready(queue, sub(member, 15, mark - 1), sub(member, 1, 14) .. sub(member, mark + 1))
    end
    call('ZREM', key(queue, DELAYED), unpack(due))
  end
  local old = call('ZRANGEBYSCORE', key(queue, DEAD), '-inf', now, 'LIMIT', 0, 100)
  if #old > 0 then
    call('ZREM', key(queue, DEAD), unpack(old))
    call('HDEL', MESSAGES, unpack(old))
    call('HDEL', LETTERS, unpack(old))
  end
end
flush()

local token = 0
if limit > 0 then
  local paused = {}
  for _, queue in ipairs(call('SMEMBERS', PAUSED)) do paused[queue] = true end
  for step = 0, wanted - 1 do
    local queue = (first_of_all + step) % wanted + 1
    local members = not paused[name(queue)] and limit > claimed and call('ZRANGE', key(queue, READY), 0, limit - claimed - 1) or {}
    if #members > 0 then
      if token == 0 then token = call('INCR', COUNTER) end
      local text, ids, pairs_ = format('%.0f', token), {}, {PAD, PADDING}
      for i, member in ipairs(members) do
        local id = sub(member, 15)
        ids[i], pairs_[2 * i + 1], pairs_[2 * i + 2] = id, id, text
      end
      call('ZREMRANGEBYRANK', key(queue, READY), 0, #members - 1)
      call('HSET', key(queue, CLAIMED), unpack(pairs_))
      read_claim(queue, ids, members)
    end
  end
end

-- With nothing to do, leave nothing behind.
if claimed == 0 then
  for queue = 1, wanted do
    if held(key(queue, CLAIMED)) == 0 then call('DEL', key(queue, CLAIMED)) end
  end
end

-- Register as waiting in the same step that found nothing, so that no wake-up falls between.
if channel ~= '' then
  local waiting = {}
  for queue = 1, wanted do
    waiting[#waiting + 1] = 0
    waiting[#waiting + 1] = name(queue) .. '\0' .. channel
  end
  if limit > 0 and claimed == 0 then
    bulk('ZADD', WAITING, waiting)
    call('PEXPIRE', WAITING, 60000)
  elseif registered then
    for i = 2, #waiting, 2 do call('ZREM', WAITING, waiting[i]) end
  end
end

if names ~= known_names then
  local all, seen = {}, {}
  for _, list in ipairs({names, known_names}) do
    for queue in string.gmatch(list, '[^%z]+') do
      if not seen[queue] then all[#all + 1] = queue end
      seen[queue] = true
    end
  end
  names = concat(all, '\0')
end
if claimed > 0 or #groups > 0 or names ~= known_names or not known then
  local words = {number, format('%.0f', token), #stale}
  for _, id in ipairs(stale) do words[#words + 1] = id end
  call('HSET', WORKERS, worker, concat(words, '\0') .. '\0' .. names .. '\0')
end
ring_all()

local expired = {}
for i, dead in ipairs(call('ZRANGEBYSCORE', LEASES, '-inf', now, 'LIMIT', 0, 4)) do expired[i] = {dead, call('HGET', WORKERS, dead) or ''} end
return {now, token, idle_for(), stale, expired, claims}
