-- Cancels messages of one queue that wait, which are made ready, or are held, whose holders are told.
-- Returns how many there are, and ids of those that have moved.
--
-- KEYS      after the queue: for each worker what it has claimed of it
-- ARGV[p]   channel of the bell of no worker, how many workers, their names, then ids

local bell, workers = ARGV[p], tonumber(ARGV[p + 1])
local count, moved, marks, told = 0, {}, {}, {}

local function mark(holder, id)
  marks[#marks + 1] = 0
  marks[#marks + 1] = holder .. '\0' .. id
end

local function holder_of(id)
  for i = 1, workers do
    if call('HEXISTS', extra(i), id) == 1 then return ARGV[p + 1 + i] end
  end
end

-- Cancels one message of this queue; returns whether it is still there.
local function cancel(id, record)
  local priority, seq = place(record)
  if call('ZREM', key(1, DELAYED), seq .. priority .. '\0' .. id) == 1 then
    seq = place_of(math.min(tonumber(seq), draw()))
    call('HSET', MESSAGES, id, seq .. sub(record, PLACE + 1))
    make_ready(1, priority, seq .. id)
  elseif not call('ZSCORE', key(1, READY), seq .. id) then
    local holder = holder_of(id)
    if not holder then return false end
    mark(holder, id)
    told[holder] = true
  end
  mark('', id)
  return true
end

goes_on_without_memory()
for i = p + 2 + workers, #ARGV do
  local id = ARGV[i]
  local record = call('HGET', MESSAGES, id)
  if record and queue_of(record) == name(1) and cancel(id, record) then
    count = count + 1
  elseif record then
    moved[#moved + 1] = id
  end
end
bulk('ZADD', CANCELLED, marks)
for holder in pairs(told) do call('PUBLISH', bell .. holder, '') end
flush()
ring_all()
return {count, moved}
