-- Takes back what a dead worker holds, up to a number of messages; returns how many it took and whether that was all.
--
-- KEYS      claimed are the worker's
-- ARGV[p]   worker, "1" if it is known to be dead (else only when its lease has run out), at most how many, channel of its bell,
--           then ids and why they were cut short

local worker, known_dead, most, channel = ARGV[p], ARGV[p + 1] == '1', tonumber(ARGV[p + 2]), ARGV[p + 3]
local lease = call('ZSCORE', LEASES, worker)
if not known_dead and not (lease and tonumber(lease) <= now) then return {0, 1} end

local interrupted = {}
for i = p + 4, #ARGV, 2 do interrupted[ARGV[i]] = ARGV[i + 1] end

call('HDEL', LETTERS, '') -- as in a turn: goes on when the memory is full
local taken, left = 0, 0
for queue = 1, queues do
  local ids = {}
  for _, id in ipairs(taken < most and call('HRANDFIELD', key(queue, CLAIMED), most - taken + 1) or {}) do
    if id ~= PAD then ids[#ids + 1] = id end
  end
  if #ids > 0 then
    local notes, changed = call('HMGET', AGAIN, unpack(ids)), {}
    for i, record in ipairs(call('HMGET', MESSAGES, unpack(ids))) do
      if record then
        local id = ids[i]
        local priority, seq = place(record)
        local deliveries, fault = string.match(notes[i] or '0\0\0', '^(%d+)%z[^%z]*%z(.*)$')
        changed[#changed + 1] = id
        changed[#changed + 1] = (deliveries + 1) .. '\0' .. (interrupted[id] or '') .. '\0' .. fault
        make_ready(queue, priority, seq .. id)
      end
    end
    bulk('HSET', AGAIN, changed)
    call('HDEL', key(queue, CLAIMED), unpack(ids))
    taken = taken + #ids
  end
  left = left + held(key(queue, CLAIMED))
end
flush()
if left == 0 then
  call('ZREM', LEASES, worker)
  call('HDEL', WORKERS, worker)
  for queue = 1, queues do
    call('DEL', key(queue, CLAIMED))
    call('ZREM', WAITING, name(queue) .. '\0' .. channel)
  end
end
ring_all()
return {taken, left == 0 and 1 or 0}
