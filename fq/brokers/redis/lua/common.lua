-- What scripts begin with: the names of their keys, the server's clock, the form of a record.
--
-- KEYS      the nine named below; then four for each queue: ready, delayed, dead, and what the script's worker has claimed of it;
--           then what the script itself needs: results, groups
-- ARGV[1]   an offset to the clock, ms, for tests
-- ARGV[2]   how many queues; their names follow. The script's own arguments begin at ARGV[p].
--
-- Lua does not roll back, so no script may fail half-way: a key of another type is found before the first write, and for want of memory the
-- server refuses the first write or none.

local call = redis.call
local sub, find, format, concat = string.sub, string.find, string.format, table.concat
local MESSAGES, AGAIN, LETTERS, LEASES, WORKERS, COUNTER, QUEUES, PAUSED, WAITING = unpack(KEYS, 1, 9)
local READY, DELAYED, DEAD, CLAIMED = 10, 11, 12, 13
local CHUNK = 4000 -- values in one command; Lua unpacks no more than 7,999

local queues = tonumber(ARGV[2])
local p = 3 + queues

local function key(queue, kind) return KEYS[4 * (queue - 1) + kind] end

local function extra(i) return KEYS[9 + 4 * queues + i] end

local function name(queue) return ARGV[2 + queue] end

do
  local each = {'HLEN', 'HLEN', 'HLEN', 'ZCARD', 'HLEN', 'STRLEN', 'SCARD', 'SCARD', 'ZCARD'}
  local of_queue = {'ZCARD', 'ZCARD', 'ZCARD', 'HLEN'}
  local kinds = {HLEN = 'hash', ZCARD = 'zset', STRLEN = 'string', SCARD = 'set'}
  for i = 1, 9 + 4 * queues do
    local read = each[i] or of_queue[(i - 10) % 4 + 1]
    if type(redis.pcall(read, KEYS[i])) == 'table' then
      return redis.error_reply('WRONGTYPE found a ' .. call('TYPE', KEYS[i]).ok .. ' at ' .. KEYS[i] .. ', expected a ' .. kinds[read])
    end
  end
end

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

local function held(claimed) return math.max(0, call('HLEN', claimed) - 1) end

-- A record is <place><priority>\0<queue>\0<actor>\0<body>; its place is when it became ready, or will, in microseconds and 14 hex digits.
local function place(record)
  return sub(record, 15, find(record, '\0', 15, true) - 1), sub(record, 1, 14)
end
