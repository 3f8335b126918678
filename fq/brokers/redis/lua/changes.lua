-- What commits come to: results kept, groups joined, and what becomes of a message.
--
-- It is not a script, but goes before others, of which that of a turn says whether there are notes (*again*) and cancelled messages, and for how long
-- dead letters are kept.

local again, cancelled, dead_ttl = false, false, 0
local moved = {} -- letters that have a later one in another queue

local function keep(result, ttl, id, body)
  local before = redis.pcall('SET', result, 'R' .. body, 'PX', ttl, 'GET')
  if type(before) == 'table' then
    call('SET', result, 'R' .. body, 'PX', ttl) -- it was a key of another type
  elseif before and sub(before, 1, 1) == 'W' then
    local news = #body <= 65536 and id .. '\0' .. body or id
    for reader in string.gmatch(sub(before, 2), '[^\n]+') do call('PUBLISH', reader, news) end
  end
end

local function values(group, size)
  local list = {} -- in the order of the members, not of their arrival
  for i = 0, size - 1, CHUNK do
    local fields = {}
    for member = i, math.min(i + CHUNK, size) - 1 do fields[#fields + 1] = format('%d', member) end
    for _, value in ipairs(call('HMGET', group, unpack(fields))) do list[#list + 1] = value or nil end
  end
  return '[' .. concat(list, ',') .. ']'
end

-- What comes after a group is kept, in a hash, from the first arrival that brings it to the last: its posts, each as in the arguments, and the names of
-- their queues, with those of two keys of each, since the call that needs them does not name them.
local FOLLOWUP = 8

local function keep_followups(followups, at, n, ttl)
  if call('EXISTS', followups) == 1 then return end
  local names, numbers, posts = {}, {}, {}
  for i = 1, n do
    local queue = tonumber(ARGV[at])
    if not numbers[queue] then
      names[#names + 1] = {name(queue), key(queue, READY), key(queue, DELAYED)}
      numbers[queue] = #names
    end
    posts[i] = {numbers[queue], unpack(ARGV, at + 1, at + FOLLOWUP - 1)}
    at = at + FOLLOWUP
  end
  call('HSET', followups, 'queues', cmsgpack.pack(names), 'posts', cmsgpack.pack(posts))
  call('PEXPIRE', followups, ttl)
end

local function queues_of(followups)
  local numbers, kept = {}, call('HGET', followups, 'queues')
  for i, queue in ipairs(kept and cmsgpack.unpack(kept) or {}) do numbers[i] = number_of(unpack(queue)) end
  return numbers
end

-- Sends one post of what comes after a group, cancelled if it *ends*, with the values in its body and, if it has a rest, the time.
local function follow(body, ends, queue, priority, delay, record, id, head, tail, rest)
  if rest ~= '' then tail = tail .. format('%.0f', now) .. rest end
  post(queue, priority, tonumber(delay), record, id, head .. body .. tail, ends)
end

local function follow_all(body, ends, followups, at, n)
  for _ = 1, n do
    follow(body, ends, tonumber(ARGV[at]), unpack(ARGV, at + 1, at + FOLLOWUP - 1))
    at = at + FOLLOWUP
  end
  local kept = n == 0 and call('HGET', followups, 'posts')
  if kept then
    local numbers = queues_of(followups)
    for _, each in ipairs(cmsgpack.unpack(kept)) do follow(body, ends, numbers[each[1]], unpack(each, 2)) end
  end
  call('DEL', followups)
end

-- Lets the time run of results that wait for a group: the hash has the time of each by the name of its key.
local function let_go(held)
  local waiting = call('HGETALL', held)
  for i = 1, #waiting, 2 do call('PEXPIRE', waiting[i], waiting[i + 1]) end
  call('DEL', held)
end

-- Each change takes the position of its arguments, and whether its message is cancelled, and returns the position after them.
local change = {}

function change.P(at)
  post(tonumber(ARGV[at]), ARGV[at + 1], tonumber(ARGV[at + 2]), ARGV[at + 3], ARGV[at + 4], ARGV[at + 5])
  return at + 6
end

-- A post that continues the workflow of its message.
function change.C(at, ends)
  post(tonumber(ARGV[at]), ARGV[at + 1], tonumber(ARGV[at + 2]), ARGV[at + 3], ARGV[at + 4], ARGV[at + 5], ends)
  cancelled = cancelled or ends
  return at + 6
end

function change.K(at)
  keep(extra(tonumber(ARGV[at])), ARGV[at + 1], ARGV[at + 2], ARGV[at + 3])
  return at + 4
end

-- A result that waits for a group, unless that is complete.
function change.H(at)
  local result, ttl, most, number = extra(tonumber(ARGV[at])), ARGV[at + 1], ARGV[at + 4], tonumber(ARGV[at + 5])
  local held = extra(number + 2)
  if call('HGET', extra(number), 'done') ~= '1' then
    call('HSET', held, result, ttl)
    call('PEXPIRE', held, most)
    ttl = math.max(ttl, most)
  end
  keep(result, format('%.0f', ttl), ARGV[at + 2], ARGV[at + 3])
  return at + 6
end

function change.J(at)
  local number, member, size, ttl, n = tonumber(ARGV[at]), ARGV[at + 1], tonumber(ARGV[at + 2]), ARGV[at + 4], tonumber(ARGV[at + 6])
  local group, followups, held = extra(number), extra(number + 1), extra(number + 2)
  local first, following = at + 7, at + 7 + FOLLOWUP * n
  -- Its field "done" is 1 if it is complete, 0 if it was cancelled before. To an older fq both are complete, and so nothing comes after it.
  local done = call('HGET', group, 'done')
  if size == 1 and n == 0 and call('EXISTS', group) == 0 then
    let_go(held)
  elseif done ~= '1' and call('HSETNX', group, member, ARGV[at + 3]) == 1 then
    if call('HLEN', group) - (done and 1 or 0) >= size then
      local body = values(group, size)
      call('DEL', group)
      call('HSET', group, 'done', 1)
      ttl = ARGV[at + 5]
      follow_all(body, done == '0', followups, first, n)
      cancelled = cancelled or done == '0'
      let_go(held)
    elseif n > 0 then
      keep_followups(followups, first, n, ttl)
    end
    call('PEXPIRE', group, ttl)
    call('PEXPIRE', followups, ttl)
  end
  return following
end

local become = {}

function become.A(_, _, at) return at end

function become.P(_, id, at)
  local _, _, fault = note_of(again and call('HGET', AGAIN, id))
  if ARGV[at] ~= '' then fault = ARGV[at] end
  if fault ~= '' then
    call('HSET', AGAIN, id, '0\0\0' .. fault)
    again = true
  elseif again then
    call('HDEL', AGAIN, id)
  end
  local delay = tonumber(ARGV[at + 3])
  if cancelled and call('ZSCORE', CANCELLED, '\0' .. id) then delay = 0 end -- it comes back at once, to end
  post(tonumber(ARGV[at + 1]), ARGV[at + 2], delay, ARGV[at + 4], id, ARGV[at + 5])
  return at + 6
end

-- Keeps a dead letter.
local function bury(queue, id, record, fault)
  local before = call('HGET', LETTERS, id)
  if before then
    local _, _, _, old = letter_of(before)
    if queue_of(old) ~= name(queue) then moved[#moved + 1] = {queue_of(old), id} end
  end
  call('ZADD', key(queue, DEAD), format('%.0f', math.min(draw() + dead_ttl * 1000, EXACT)), id)
  call('HSET', LETTERS, id, format('%.0f', now) .. '\0' .. fault .. '\0' .. record)
  sweep(queue)
end

function become.B(queue, id, at)
  local record = call('HGET', MESSAGES, id)
  if record then
    bury(queue, id, record, ARGV[at])
    call('HDEL', MESSAGES, id)
  end
  call('HDEL', AGAIN, id)
  unmark(nil, {id})
  return at + 1
end

function become.R(queue, id, at)
  local record = call('HGET', MESSAGES, id)
  if record then
    local priority, seq = place(record)
    local deliveries, _, fault = note_of(call('HGET', AGAIN, id))
    local counted = ARGV[at] == '1' and 1 or 0
    if deliveries + counted > 0 or ARGV[at + 1] ~= '' or fault ~= '' then
      call('HSET', AGAIN, id, (deliveries + counted) .. '\0' .. ARGV[at + 1] .. '\0' .. fault)
      again = true
    else
      call('HDEL', AGAIN, id)
    end
    make_ready(queue, priority, seq .. id)
  end
  return at + 2
end
