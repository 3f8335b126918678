-- Puts one message on its queue, ready at once: what enqueue_many.lua does, in half the time, for what producers do most.
-- Returns 0 if this call, or a later one of its mark, was made before, 1 if the id is known already, 2 if the message is new.

local call = redis.call
local messages, queues, waiting, mark, ready = unpack(KEYS)
local offset_ms, call_number, queue, priority, head, id, body, lists_queue, remembered_ms = unpack(ARGV)

local before = call('SET', mark, call_number, 'PX', remembered_ms, 'GET')
if before and tonumber(before) >= tonumber(call_number) then
  call('SET', mark, before, 'PX', remembered_ms)
  return 0
end
local time = call('TIME')
local sequence = time[1] .. string.sub('00000' .. time[2], -6) -- as by sequence_at, which takes long
if offset_ms ~= '0' then sequence = string.format('%016.0f', time[1] * 1000000 + time[2] + offset_ms * 1000) end
if call('HSETNX', messages, id, sequence .. head .. body) == 0 then return 1 end

local function undo(key)
  if before then call('SET', mark, before, 'PX', remembered_ms) else call('DEL', mark) end
  call('HDEL', messages, id)
  redis.pcall('ZREM', ready, sequence .. id)
  return redis.error_reply('WRONGTYPE found a ' .. call('TYPE', key).ok .. ' at ' .. key .. ', expected another type')
end

local function hand_over(channel)
  -- Claims the message for the worker that waits at *channel*, and publishes it there: the worker need not ask for it. If the publication is lost,
  -- its next turn tells it, as turn/handed.lua does. Returns whether the worker takes it that way; the keys are those of common.lua.
  local prefix = string.sub(messages, 1, -#'messages' - 1)
  local worker, now_ms = string.match(channel, '}:bell:(.*)$'), math.floor(tonumber(sequence) / 1000)
  if #body > 65536 or redis.pcall('SISMEMBER', prefix .. 'paused', queue) ~= 0 or call('ZCARD', ready) ~= 1 then return false end
  local text, lease_end = redis.pcall('HGET', prefix .. 'workers', worker), redis.pcall('ZSCORE', prefix .. 'leases', worker)
  if type(text) ~= 'string' or type(lease_end) ~= 'string' or tonumber(lease_end) < now_ms + 2000 then return false end
  local json = string.match(text, '^{[^%z]*')
  local memory = json and cjson.decode(json)
  if not memory or not memory.takes_handed or memory.handed then return false end
  local is_listed = false
  for _, name in ipairs(memory.queues) do is_listed = is_listed or name == queue end
  local claimed = prefix .. 'claimed:' .. string.sub(ready, #prefix + #'ready:' + 1) .. ':' .. worker
  local kind = call('TYPE', claimed).ok
  if not is_listed or kind ~= 'none' and kind ~= 'hash' then return false end

  -- It must listen to this server: a worker that listens to a replica, or to another node, hears what is published as well, but is not counted.
  local listeners = redis.pcall('PUBSUB', 'NUMSUB', channel)
  if listeners[2] ~= 1 then return false end

  local token = string.format('%.0f', math.max(tonumber(sequence), tonumber(memory.latest_token)) + 1)
  call('PUBLISH', channel, table.concat({token, string.format('%.0f', now_ms), id, head .. body}, '\0'))
  memory.latest_token, memory.handed = token, {token = token, queue = queue, id = id}
  call('ZREM', ready, sequence .. id)
  call('HSET', claimed, id, token)
  call('HSET', prefix .. 'workers', worker, cjson.encode(memory) .. string.sub(text, #json + 1))
  for _, name in ipairs(memory.queues) do call('ZREM', waiting, name .. '\0' .. channel) end
  return true
end

if type(redis.pcall('ZADD', ready, priority, sequence .. id)) == 'table' then return undo(ready) end
if lists_queue == '1' and type(redis.pcall('SADD', queues, queue)) == 'table' then return undo(queues) end
if call('EXISTS', waiting) == 1 then
  local members = redis.pcall('ZRANGEBYLEX', waiting, '[' .. queue .. '\0', '(' .. queue .. '\1', 'LIMIT', 0, 9)
  if members.err then return undo(waiting) end
  for _, member in ipairs(members) do
    local channel = string.sub(member, #queue + 2)
    call('ZREM', waiting, member)
    if hand_over(channel) or call('PUBLISH', channel, messages) > 0 then break end
  end
end
return 2
