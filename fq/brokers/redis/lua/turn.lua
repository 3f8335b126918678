-- One turn of a worker: applies its commits, makes ready what is due, renews its lease, claims more.
--
-- KEYS      after the queues: results and groups, as the commits name them
-- ARGV[p]   worker, number of this turn, lease, limit, channel of the worker's bell ("" if it does not wait), whether it may be registered as
--           waiting, how many of the queues it wants (the first ones), how long dead letters are kept, which queue to claim from first, how
--           many groups are joined, whether to claim nothing while there is something to take back, the latest turn of the worker that was
--           remembered, if it knows; to how many bytes the bodies of what is claimed may come, whether the first may be larger;
--           then how many groups of commits, each: queue, how many, how many of them are done (the first ones), how many done or
--           replaced, ids, tokens;
--           then how many runs of results, each: group, ttl, how many, and of each: index in the group, key, body;
--           then how many commits have more to them, each: how many arguments, group, index in it, what becomes of it, changes;
--           then the first of the three keys of each joined group

local worker, number, lease, limit = ARGV[p], ARGV[p + 1], tonumber(ARGV[p + 2]), tonumber(ARGV[p + 3])
local channel, registered, wanted = ARGV[p + 4], ARGV[p + 5] == '1', tonumber(ARGV[p + 6])
local first_of_all, joined, patient = tonumber(ARGV[p + 8]), tonumber(ARGV[p + 9]), ARGV[p + 10] == '1'
dead_ttl = tonumber(ARGV[p + 7])
local names = concat(ARGV, '\0', 3, 2 + wanted)
local remembered, max_bytes, first_may_be_larger = ARGV[p + 11], tonumber(ARGV[p + 12]), ARGV[p + 13] == '1'
p = p + 14

-- What is remembered of a worker, each ended by NUL: number of its latest turn, token of that (0 if it claimed nothing), its latest token, how
-- many commits were stale, how many messages it was told to be cancelled, ids of both, queues that it claims from.
local known = call('HGET', WORKERS, worker)
local latest, token_before, latest_token, stale_before, told_before, rest =
  string.match(known or '\0000\0000\0000\0000\0\0', '^([^%z]*)%z(%d+)%z(%d+)%z(%d+)%z(%d+)%z(.*)%z$')
local ids_before = {}
for i = 1, stale_before + told_before do
  local mark = find(rest, '\0', 1, true)
  ids_before[i], rest = sub(rest, 1, mark - 1), sub(rest, mark + 1)
end
local known_names = rest

-- Claims, by (priority, arrival), as the reply has them: for each queue its index, members, records, and what is known of former deliveries.
local claims, claimed = {}, 0
local paused = {}
if call('EXISTS', AGAIN, CANCELLED, PAUSED) > 0 then
  again, cancelled = call('EXISTS', AGAIN) == 1, call('EXISTS', CANCELLED) == 1
  for _, queue in ipairs(call('SMEMBERS', PAUSED)) do paused[queue] = true end
end

local function body_size(record)
  local _, head = find(record, '^[^%z]*%z[^%z]*%z[^%z]*%z', PLACE + 1)
  return #record - (head or 0)
end

-- Whole records are weighed as long as they come to no more than *max_bytes*, which is quicker; then their bodies.
local weight, exact, full = 0, false, false

local function weigh_bodies(records)
  exact, weight = true, 0
  for _, claim in ipairs(claims) do
    for _, record in ipairs(claim[3]) do weight = weight + body_size(record or '') end
  end
  for _, record in ipairs(records) do weight = weight + body_size(record or '') end
end

-- Appends to *records* as many of *found* as may be claimed.
local function add_bodies(records, found)
  if not exact then weigh_bodies(records) end
  for _, record in ipairs(found) do
    weight = weight + body_size(record or '')
    full = weight > max_bytes and not (first_may_be_larger and claimed + #records == 0)
    if full then return end
    records[#records + 1] = record
  end
end

-- Returns the records of as many of *ids* as may be claimed. It reads few at first, and more the more of them are small.
local function records_of(ids)
  local records, n, step = {}, 0, 8
  while n < #ids and not full do
    local found = call('HMGET', MESSAGES, unpack(ids, n + 1, math.min(n + step, #ids)))
    local sum = weight
    for i = 1, #found do sum = sum + #(found[i] or '') end
    if exact or sum > max_bytes then
      add_bodies(records, found)
    elseif n == 0 then
      records, weight = found, sum
    else
      for i = 1, #found do records[n + i] = found[i] end
      weight = sum
    end
    n, step = n + #found, 8 * step
  end
  return records
end

local function read_claim(queue, ids, members, records)
  local notes = again and call('HMGET', AGAIN, unpack(ids)) or {}
  if cancelled then
    local marks = {}
    for i, id in ipairs(ids) do marks[i] = '\0' .. id end
    for i, mark in ipairs(call('ZMSCORE', CANCELLED, unpack(marks))) do
      local deliveries, _, fault = note_of(notes[i])
      notes[i] = mark and deliveries .. '\0cancelled\0' .. fault or notes[i] or ''
    end
  end
  claims[#claims + 1] = {queue, members, records or call('HMGET', MESSAGES, unpack(ids)), notes}
  claimed = claimed + #ids
end

-- The reply to this very turn was lost: give it again.
if latest == number then
  local token, stale, told = token_before, {}, {}
  for i = 1, stale_before do stale[i] = ids_before[i] end
  for i = 1, told_before do told[i] = ids_before[stale_before + i] end
  for queue = 1, wanted do
    local held, ids, members, order = call('HGETALL', key(queue, CLAIMED)), {}, {}, {}
    for i = 1, #held, 2 do
      if held[i + 1] == token then ids[#ids + 1] = held[i] end
    end
    if #ids > 0 then
      for i, record in ipairs(call('HMGET', MESSAGES, unpack(ids))) do
        local priority, seq = place(record or place_of(0) .. '\0')
        order[i] = {tonumber(priority) or 0, seq .. ids[i], ids[i]}
      end
      table.sort(order, function(a, b) return a[1] < b[1] or a[1] == b[1] and a[2] < b[2] end)
      for i, entry in ipairs(order) do members[i], ids[i] = entry[2], entry[3] end
      read_claim(queue, ids, members)
    end
  end
  return {now, tonumber(token), 0, stale, {}, claims, {}, told, latest}
end

-- The worker remembers another turn than this server as its latest. Either the server has lost what the worker did: it is another one now, or has read an
-- older state from its disk, and what it takes for held may have been committed. Or the network has delivered a turn late, which the worker has repeated
-- or given up, and what that claimed has no other reply. Or this is such a turn. The worker finds out; a process before it numbered its turns otherwise.
if known and latest ~= remembered and string.match(latest, '^.*%.') == string.match(number, '^.*%.') then return {now, latest} end

-- Fence: all tokens are looked at before anything is written.
local groups, stale = {}, {}
local count = tonumber(ARGV[p])
p = p + 1
for g = 1, count do
  local group = {queue = tonumber(ARGV[p]), n = tonumber(ARGV[p + 1])}
  group.done, group.gone, group.first = tonumber(ARGV[p + 2]), tonumber(ARGV[p + 3]), p + 4
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

-- Nor must a key of a group be of another type, nor a queue of what comes after it; the joined ones are the last arguments.
for i = #ARGV, #ARGV - joined + 1, -1 do
  for j = 0, 2 do
    local wrong = wrong_type('HLEN', extra(tonumber(ARGV[i]) + j))
    if wrong then return wrong end
  end
  queues_of(extra(tonumber(ARGV[i]) + 1))
end
for _, queue in ipairs(learned) do
  local wrong = wrong_type('ZCARD', queue[READY]) or wrong_type('ZCARD', queue[DELAYED])
  if wrong then return wrong end
end

goes_on_without_memory()

local function good(group, first, n)
  if not group.bad then return unpack(ARGV, group.first + first - 1, group.first + n - 1) end
  local ids = {'\0'} -- no message has this id; there must be one
  for i = first, n do
    if not group.bad[i] then ids[#ids + 1] = ARGV[group.first + i - 1] end
  end
  return unpack(ids)
end

local ends = {} -- which of the messages are cancelled
for _, group in ipairs(groups) do
  call('HDEL', key(group.queue, CLAIMED), good(group, 1, group.n))
  if group.gone > 0 then call('HDEL', MESSAGES, good(group, 1, group.gone)) end
  if group.done > 0 and again then call('HDEL', AGAIN, good(group, 1, group.done)) end
  if cancelled then
    for _, id in ipairs({good(group, 1, group.n)}) do
      ends[id] = call('ZSCORE', CANCELLED, '\0' .. id) and true
      call('ZREM', CANCELLED, worker .. '\0' .. id)
    end
    unmark(nil, {good(group, 1, group.done)})
  end
end

for _ = 1, tonumber(ARGV[p]) do
  local group, ttl, n = groups[tonumber(ARGV[p + 1])], ARGV[p + 2], tonumber(ARGV[p + 3])
  p = p + 3
  for _ = 1, n do
    local i = tonumber(ARGV[p + 1])
    if not (group.bad and group.bad[i]) then keep(extra(tonumber(ARGV[p + 2])), ttl, ARGV[group.first + i - 1], ARGV[p + 3]) end
    p = p + 3
  end
end
p = p + 1

for _ = 1, tonumber(ARGV[p]) do
  local size, group, i = tonumber(ARGV[p + 1]), groups[tonumber(ARGV[p + 2])], tonumber(ARGV[p + 3])
  if not (group.bad and group.bad[i]) then
    local id = ARGV[group.first + i - 1]
    local at = become[ARGV[p + 4]](group.queue, id, p + 5)
    while at <= p + size do at = change[ARGV[at]](at + 1, ends[id]) end
  end
  p = p + size
end

-- Make ready what is due, as much as one turn can bear, and see when more will be.
local next_due = now + 60000
for queue = 1, wanted do
  next_due = math.min(next_due, promote(queue, 1000) or next_due)
  if soonest[queue] then next_due = math.min(next_due, soonest[queue]) end
end
flush()

-- Renew the lease, and look for those that have run out. What their workers held comes first: the caller takes it back, and comes again.
call('ZADD', LEASES, format('%.0f', now + lease), worker)
local leases, expired = call('ZRANGE', LEASES, 0, 3, 'WITHSCORES'), {}
for i = 1, #leases, 2 do
  local until_ = tonumber(leases[i + 1])
  if until_ <= now then expired[#expired + 1] = {leases[i], call('HGET', WORKERS, leases[i]) or ''} end
  if leases[i] ~= worker then next_due = math.min(next_due, until_) end
end

if patient and expired[1] then limit = 0 end

local token = 0
if limit > 0 then
  for step = 0, wanted - 1 do
    local queue = (first_of_all + step) % wanted + 1
    local members = not full and not paused[name(queue)] and limit > claimed and call('ZRANGE', key(queue, READY), 0, limit - claimed - 1) or {}
    if #members > 0 then
      if token == 0 then
        -- A token tells when it was drawn, and is new to this worker, should the clock be set back. Another worker's cannot be taken for
        -- it, since each has a hash of its own.
        token = math.max(draw(), tonumber(latest_token) + 1)
      end
      local text, ids, held = format('%.0f', token), {}, {PAD, PADDING}
      for i, member in ipairs(members) do
        local id = sub(member, PLACE + 1)
        ids[i], held[2 * i + 1], held[2 * i + 2] = id, id, text
      end
      local records = records_of(ids)
      for i = #members, #records + 1, -1 do
        members[i], ids[i], held[2 * i + 1], held[2 * i + 2] = nil, nil, nil, nil
      end
      if #ids > 0 then
        call('ZREMRANGEBYRANK', key(queue, READY), 0, #members - 1)
        call('HSET', key(queue, CLAIMED), unpack(held))
        read_claim(queue, ids, members, records)
      end
    end
  end
end

-- Tell the worker which of the messages that it holds have been cancelled. The mark goes when the message does.
local told = {}
if cancelled then
  for i, mark in ipairs(call('ZRANGEBYLEX', CANCELLED, '[' .. worker .. '\0', '(' .. worker .. '\1', 'LIMIT', 0, 1000)) do
    told[i] = sub(mark, #worker + 2)
    call('ZREM', CANCELLED, mark)
  end
end

if claimed == 0 then
  -- There is time to tidy up.
  for queue = 1, wanted do
    if call('HLEN', key(queue, CLAIMED)) == 1 and held(key(queue, CLAIMED)) == 0 then call('DEL', key(queue, CLAIMED)) end
    sweep(queue)
  end
end

-- A worker registers as waiting in the same step that found nothing, so that no wake-up falls between.
if channel ~= '' and (registered or limit > 0 and claimed == 0) then
  for queue in string.gmatch(registered and known_names or '', '[^%z]+') do call('ZREM', WAITING, queue .. '\0' .. channel) end
  if limit > 0 and claimed == 0 then
    for queue = 1, wanted do call('ZADD', WAITING, 0, name(queue) .. '\0' .. channel) end
    call('PEXPIRE', WAITING, 60000)
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
if claimed > 0 or #groups > 0 or told[1] or names ~= known_names or not known or remembered == '' then
  latest = number
  local words = {number, format('%.0f', token), token > 0 and format('%.0f', token) or latest_token, #stale, #told}
  for _, id in ipairs(stale) do words[#words + 1] = id end
  for _, id in ipairs(told) do words[#words + 1] = id end
  call('HSET', WORKERS, worker, concat(words, '\0') .. '\0' .. names .. '\0')
end
ring_all()
return {now, token, math.max(0, next_due - now), stale, expired, claims, moved, told, latest}
