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

function change.J(at)
  local group, member, size, ttl, n = extra(tonumber(ARGV[at])), ARGV[at + 1], tonumber(ARGV[at + 2]), ARGV[at + 4], tonumber(ARGV[at + 6])
  -- Its field "done" is 1 if it is complete, 0 if it was cancelled before. To an older fq both are complete, and so nothing comes after it.
  local body, done = nil, call('HGET', group, 'done')
  if done ~= '1' and call('HSETNX', group, member, ARGV[at + 3]) == 1 then
    if call('HLEN', group) - (done and 1 or 0) >= size then
      body = values(group, size)
      call('DEL', group)
      call('HSET', group, 'done', 1)
      ttl = ARGV[at + 5]
    end
    call('PEXPIRE', group, ttl)
  end
  at = at + 7
  for _ = 1, n do
    if body then
      local head, tail = ARGV[at + 5], ARGV[at + 6]
      post(tonumber(ARGV[at]), ARGV[at + 1], tonumber(ARGV[at + 2]), ARGV[at + 3], ARGV[at + 4], head .. body .. tail, done == '0')
    end
    at = at + 7
  end
  cancelled = cancelled or body and done == '0'
  return at
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
