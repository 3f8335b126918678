-- What scripts begin with: the names of their keys, readers of their arguments, the server's clock, the form of a record.
-- docs/redis-scripts.md lists all keys and arguments of each script.
--
-- Lua does not roll back, so no script may fail half-way: a key of another type is found here, before the first write, and for want of memory
-- the server refuses the first write or none.

local call = redis.call
local sub, find, format, concat = string.sub, string.find, string.format, table.concat
local MESSAGES, DELIVERY_NOTES, LETTERS, LEASES, WORKERS, QUEUES, PAUSED, WAITING, CANCELLED = unpack(KEYS, 1, 9)
local FIXED_COUNT = 14 -- keys that every call has; unique_lib.lua names the last five, which few calls need
local READY, DELAYED, DEAD, CLAIMED = 15, 16, 17, 18 -- of the first queue, in KEYS
local MAX_VALUES = 4000 -- values in one command; Lua unpacks no more than 7,999

-- Arguments are read one after the other, from *cursor* on.
local queue_count = tonumber(ARGV[2])
local cursor = 3 + queue_count

local function next_text()
  cursor = cursor + 1
  return ARGV[cursor - 1]
end

local function next_number()
  cursor = cursor + 1
  return tonumber(ARGV[cursor - 1])
end

local function next_flag() return next_text() == '1' end

-- Passes over a range of arguments; returns where it begins.
local function skip(count)
  cursor = cursor + count
  return cursor - count
end

-- Queues that the call does not name, known from what is kept of a group: the keys of each by kind, and its name.
local learned_queues = {}

local function queue_key(queue, kind)
  if queue > queue_count then return learned_queues[queue - queue_count][kind] end
  return KEYS[4 * (queue - 1) + kind]
end

local function extra_key(i) return KEYS[FIXED_COUNT + 4 * queue_count + i] end

local function queue_name(queue)
  if queue > queue_count then return learned_queues[queue - queue_count].name end
  return ARGV[2 + queue]
end

-- Returns the number of a queue, of which the names of two keys are known.
local function queue_number(name, ready, delayed)
  for i = 1, queue_count + #learned_queues do
    if queue_name(i) == name then return i end
  end
  learned_queues[#learned_queues + 1] = {name = name, [READY] = ready, [DELAYED] = delayed}
  return queue_count + #learned_queues
end

-- Returns an error if a key is of another type than *reader* reads.
local function type_error(reader, key)
  if type(redis.pcall(reader, key)) == 'table' then
    local kinds = {HLEN = 'hash', ZCARD = 'zset', SCARD = 'set'}
    return redis.error_reply('WRONGTYPE found a ' .. call('TYPE', key).ok .. ' at ' .. key .. ', expected a ' .. kinds[reader])
  end
end

local FIXED_KEY_READERS = {'HLEN', 'HLEN', 'HLEN', 'ZCARD', 'HLEN', 'SCARD', 'SCARD', 'ZCARD', 'ZCARD'}
local QUEUE_KEY_READERS = {'ZCARD', 'ZCARD', 'ZCARD', 'HLEN'}
for i = 1, 9 do
  local wrong = type_error(FIXED_KEY_READERS[i], KEYS[i])
  if wrong then return wrong end
end
for i = READY, FIXED_COUNT + 4 * queue_count do
  local wrong = type_error(QUEUE_KEY_READERS[(i - READY) % 4 + 1], KEYS[i])
  if wrong then return wrong end
end

-- A server out of memory refuses scripts whose first write may take some. A script that must run there, since workers make room, begins
-- with a write that takes none.
local function allow_when_memory_is_full() call('HDEL', LETTERS, '') end

local time = call('TIME')
local now_us = time[1] * 1000000 + time[2] + ARGV[1] * 1000
local now_ms = math.floor(now_us / 1000)

-- Calls *command* on *key* with all *values*, in chunks.
local function call_in_chunks(command, key, values)
  for i = 1, #values, MAX_VALUES do call(command, key, unpack(values, i, math.min(i + MAX_VALUES - 1, #values))) end
end

-- What a worker has claimed is a hash: token by id, and this. Its length alone makes the server keep the hash as a table, where the form for short
-- hashes, a list that is searched from its beginning, would make a turn of 256 messages quadratic.
local PAD_FIELD, PAD_VALUE = '', string.rep(' ', 80)

local function claim_count(claims_key) return call('HLEN', claims_key) - call('HEXISTS', claims_key, PAD_FIELD) end

-- Every script begins later than the one before, and none enqueues faster than one message a microsecond: so each gets a number of its own, in
-- the order of arrival. It is exact as long as it is less than 2^53.
local MAX_EXACT_INTEGER = 9007199254740991

local function next_arrival_us()
  now_us = now_us + 1
  return now_us
end

-- A record is <sequence><priority>\0<queue>\0<actor>\0<body>; its sequence is when it became ready, or will, in microseconds and 16 digits.
local SEQUENCE_DIGITS = 16

local function sequence_at(time_us) return format('%016.0f', time_us) end

-- Returns priority and sequence of a record; the first of all for what is none, since something else than fq has written it: its claim will show.
local function priority_and_sequence(record)
  local priority = string.match(record, '^(%-?%d+)%z', SEQUENCE_DIGITS + 1)
  if not priority then return '0', sequence_at(0) end
  return priority, sub(record, 1, SEQUENCE_DIGITS)
end

local function delayed_member(sequence, priority, id) return sequence .. priority .. '\0' .. id end

-- A cancelled message has the mark \0<id> until it ends, and <worker>\0<id> while that worker holds it and has not heard of it.
local function remove_cancel_marks(worker, ids)
  if call('EXISTS', CANCELLED) == 0 then return end
  local marks = {}
  for _, id in ipairs(ids) do
    marks[#marks + 1] = '\0' .. id
    if worker then marks[#marks + 1] = worker .. '\0' .. id end
  end
  call_in_chunks('ZREM', CANCELLED, marks)
end

local function queue_of_record(record) return string.match(record, '^[^%z]*%z([^%z]*)') end

-- What is known of a message that has been claimed before is <deliveries>\0<why it was cut short>\0<its latest fault>.
local function parse_delivery_note(note)
  local deliveries, interrupted, fault = string.match(note or '0\0\0', '^(%d+)%z([^%z]*)%z(.*)$')
  return deliveries or '0', interrupted or '', fault or ''
end

local function delivery_note(deliveries, interrupted, fault) return deliveries .. '\0' .. interrupted .. '\0' .. fault end

-- A dead letter is <when it died>\0<type of the error>\0<all of the error>\0<record>.
local function parse_letter(letter) return string.match(letter, '^([^%z]*)%z([^%z]*)%z([^%z]*)%z(.*)$') end

-- Drops dead letters of a queue that have been kept long enough. A letter may have a later one, in another queue, since its id can come again.
local function drop_expired_letters(queue)
  local ids = call('ZRANGEBYSCORE', queue_key(queue, DEAD), '-inf', format('%.0f', now_us), 'LIMIT', 0, 100)
  if #ids == 0 then return end
  for i, letter in ipairs(call('HMGET', LETTERS, unpack(ids))) do
    if letter then
      local _, _, _, record = parse_letter(letter)
      if queue_of_record(record) == queue_name(queue) then call('HDEL', LETTERS, ids[i]) end
    end
  end
  call('ZREM', queue_key(queue, DEAD), unpack(ids))
end
