-- Takes back what a dead worker holds, up to a number of messages; returns how many it took and whether that was all.
--
-- KEYS      claimed are the worker's
-- ARGV[p]   worker, "1" if it is known to be dead (else only when its lease has run out), at most how many, channel of its bell, "1" if the
--           delivery counts for all; then how many messages were cut short, id and reason of each; then ids of those for which it counts

local worker, known_dead, most, channel, all_count = ARGV[p], ARGV[p + 1] == '1', tonumber(ARGV[p + 2]), ARGV[p + 3], ARGV[p + 4] == '1'
local lease = call('ZSCORE', LEASES, worker)
if not known_dead and not (lease and tonumber(lease) <= now) then return {0, 1} end

local interrupted, counted = {}, {}
local reasons = tonumber(ARGV[p + 5])
for i = p + 6, p + 5 + 2 * reasons, 2 do interrupted[ARGV[i]] = ARGV[i + 1] end
for i = p + 6 + 2 * reasons, #ARGV do counted[ARGV[i]] = true end

goes_on_without_memory()
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
        local deliveries, _, fault = note_of(notes[i])
        deliveries = deliveries + ((all_count or counted[id]) and 1 or 0)
        changed[#changed + 1] = id
        changed[#changed + 1] = deliveries .. '\0' .. (interrupted[id] or '') .. '\0' .. fault
        make_ready(queue, priority, seq .. id)
      end
    end
    bulk('HSET', AGAIN, changed)
    call('HDEL', key(queue, CLAIMED), unpack(ids))
    if call('EXISTS', CANCELLED) == 1 then
      for _, id in ipairs(ids) do call('ZREM', CANCELLED, worker .. '\0' .. id) end
    end
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
