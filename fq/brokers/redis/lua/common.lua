-- What scripts begin with: the names of their keys, the server's clock, the form of a record.
--
-- KEYS      the nine named below; then four for each queue: ready, delayed, dead, and what the script's worker has claimed of it;
--           then what the script itself needs: results, groups
-- ARGV[1]   an offset to the clock, ms, for tests
-- ARGV[2]   how many queues; their names follow. The script's own arguments begin at ARGV[p].
--
-- Lua does not roll back, so no script may fail half-way: a key of another type is found here, before the first write, and for want of memory
-- the server refuses the first write or none.

local call = redis.call
local sub, find, format, concat = string.sub, string.find, string.format, table.concat
local MESSAGES, AGAIN, LETTERS, LEASES, WORKERS, QUEUES, PAUSED, WAITING, CANCELLED = unpack(KEYS, 1, 9)
local READY, DELAYED, DEAD, CLAIMED = 10, 11, 12, 13
local CHUNK = 4000 -- values in one command; Lua unpacks no more than 7,999

local queues = tonumber(ARGV[2])
local p = 3 + queues

-- Queues beyond those of the call, known from what is kept of a group: the keys of each by kind, and its name.
local learned = {}

local function key(queue, kind)
  if queue > queues then return learned[queue - queues][kind] end
  return KEYS[4 * (queue - 1) + kind]
end

local function extra(i) return KEYS[9 + 4 * queues + i] end

local function name(queue)
  if queue > queues then return learned[queue - queues].name end
  return ARGV[2 + queue]
end

-- Returns the number of a queue, of which the names of two keys are known.
local function number_of(queue, ready, delayed)
  for i = 1, queues + #learned do
    if name(i) == queue then return i end
  end
  learned[#learned + 1] = {name = queue, [READY] = ready, [DELAYED] = delayed}
  return queues + #learned
end

-- Returns an error if a key is of another type than *read* reads.
local function wrong_type(read, one)
  if type(redis.pcall(read, one)) == 'table' then
    local kinds = {HLEN = 'hash', ZCARD = 'zset', SCARD = 'set'}
    return redis.error_reply('WRONGTYPE found a ' .. call('TYPE', one).ok .. ' at ' .. one .. ', expected a ' .. kinds[read])
  end
end

local of_all, of_queue = {'HLEN', 'HLEN', 'HLEN', 'ZCARD', 'HLEN', 'SCARD', 'SCARD', 'ZCARD', 'ZCARD'}, {'ZCARD', 'ZCARD', 'ZCARD', 'HLEN'}
for i = 1, 9 + 4 * queues do
  local wrong = wrong_type(of_all[i] or of_queue[(i - 10) % 4 + 1], KEYS[i])
  if wrong then return wrong end
end

-- A server out of memory refuses scripts whose first write may take some. A script that must go on there, since workers make room, begins
-- with a write that takes none.
local function goes_on_without_memory() call('HDEL', LETTERS, '') end

local time = call('TIME')
local micros = time[1] * 1000000 + time[2] + ARGV[1] * 1000
local now = math.floor(micros / 1000)

-- Calls *command* on *target* with all *values*, in chunks.
local function bulk(command, target, values)
  for i = 1, #values, CHUNK do call(command, target, unpack(values, i, math.min(i + CHUNK - 1, #values))) end
end

-- What a worker has claimed is a hash: token by id, and this. Its length alone makes the server keep the hash as a table, where the form for short
-- hashes, a list that is searched from its beginning, would make a turn of 256 messages quadratic.
local PAD, PADDING = '', string.rep(' ', 80)

local function held(claimed) return call('HLEN', claimed) - call('HEXISTS', claimed, PAD) end

-- Every script begins later than the one before, and none posts faster than one message a microsecond: so each gets a number of its own, in
-- the order of arrival. It is exact as long as it is less than 2^53.
local EXACT = 9007199254740991

local function draw()
  micros = micros + 1
  return micros
end

-- A record is <place><priority>\0<queue>\0<actor>\0<body>; its place is when it became ready, or will, in microseconds and 16 digits.
local PLACE = 16

local function place_of(time) return format('%016.0f', time) end

-- Returns the priority and the place in a record; the first of all for what is none, since something else than fq has written it: its claim will show.
local function place(record)
  local priority = string.match(record, '^(%-?%d+)%z', PLACE + 1)
  if not priority then return '0', place_of(0) end
  return priority, sub(record, 1, PLACE)
end

-- A cancelled message has the mark \0<id> until it ends, and <worker>\0<id> while that worker holds it and is to be told.
local function unmark(holder, ids)
  if call('EXISTS', CANCELLED) == 0 then return end
  local marks = {}
  for _, id in ipairs(ids) do
    marks[#marks + 1] = '\0' .. id
    if holder then marks[#marks + 1] = holder .. '\0' .. id end
  end
  bulk('ZREM', CANCELLED, marks)
end

local function queue_of(record) return string.match(record, '^[^%z]*%z([^%z]*)') end

-- What is known of a message that has been claimed before is <deliveries>\0<why it was cut short>\0<its latest fault>.
local function note_of(note)
  local deliveries, why, fault = string.match(note or '0\0\0', '^(%d+)%z([^%z]*)%z(.*)$')
  return deliveries or '0', why or '', fault or ''
end

-- A dead letter is <when it died>\0<type of the error>\0<all of the error>\0<record>.
local function letter_of(letter) return string.match(letter, '^([^%z]*)%z([^%z]*)%z([^%z]*)%z(.*)$') end

-- Drops dead letters of a queue that have been kept long enough. A letter may have a later one, in another queue, since its id can come again.
local function sweep(queue)
  local old = call('ZRANGEBYSCORE', key(queue, DEAD), '-inf', format('%.0f', micros), 'LIMIT', 0, 100)
  if #old == 0 then return end
  for i, letter in ipairs(call('HMGET', LETTERS, unpack(old))) do
    if letter then
      local _, _, _, record = letter_of(letter)
      if queue_of(record) == name(queue) then call('HDEL', LETTERS, old[i]) end
    end
  end
  call('ZREM', key(queue, DEAD), unpack(old))
end
