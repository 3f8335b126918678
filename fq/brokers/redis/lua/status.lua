-- Says where a message is: state, record, deliveries, due, worker, fault.
--
-- KEYS      after the message's queue: its result; then for each worker what it has claimed of the queue
-- ARGV[p]   id, worker, ...

local id = ARGV[p]
local record = call('HGET', MESSAGES, id)
local result = KEYS[10 + 4 * queues]
if not record then
  local kept = call('GET', result)
  return {kept and sub(kept, 1, 1) == 'R' and 'done' or 'unknown'}
end
-- It may have moved to another queue since the caller looked: the caller looks again.
if queues == 0 or name(1) ~= string.match(record, '^[^%z]*%z([^%z]*)') then return {'moved', record} end

local priority, seq = place(record)
local deliveries, _, fault = string.match(call('HGET', AGAIN, id) or '0\0\0', '^(%d+)%z([^%z]*)%z(.*)$')
local due = call('ZSCORE', key(1, DELAYED), seq .. priority .. '\0' .. id)
if due then return {tonumber(due) > now and 'delayed' or 'ready', record, tonumber(deliveries), tonumber(due), '', fault} end
if call('ZSCORE', key(1, DEAD), id) then
  return {'dead', record, 0, 0, '', string.match(call('HGET', LETTERS, id), '^[^%z]*%z(.*)$')}
end
for i = 1, #ARGV - p do
  if call('HEXISTS', KEYS[10 + 4 * queues + i], id) == 1 then
    return {'running', record, tonumber(deliveries) + 1, 0, ARGV[p + i], fault}
  end
end
if call('ZSCORE', key(1, READY), seq .. id) then return {'ready', record, tonumber(deliveries), 0, '', fault} end
return {'moved', record}
