-- Says where a message is: state, record, deliveries, due, worker, fault.
--
-- KEYS      after the queue of the message, if there is one: its result; then for each worker what it has claimed of the queue
-- ARGV[p]   id, worker, ...

local id = ARGV[p]
local record = call('HGET', MESSAGES, id)
if not record then
  local letter = call('HGET', LETTERS, id)
  if letter then
    local _, _, fault, dead = letter_of(letter)
    if queues == 0 or name(1) ~= queue_of(dead) then return {'moved', dead} end
    local expiry = call('ZSCORE', key(1, DEAD), id)
    if expiry and tonumber(expiry) > micros then return {'dead', dead, 0, 0, '', fault} end
  end
  local kept = call('GET', extra(1))
  return {kept and sub(kept, 1, 1) == 'R' and 'done' or 'unknown'}
end
-- It may have moved to another queue since the caller looked: the caller looks again.
if queues == 0 or name(1) ~= queue_of(record) then return {'moved', record} end

local priority, seq = place(record)
local deliveries, _, fault = note_of(call('HGET', AGAIN, id))
if find(fault, '\0', 1, true) then fault = sub(fault, find(fault, '\0', 1, true) + 1) end
local due = call('ZSCORE', key(1, DELAYED), seq .. priority .. '\0' .. id)
if due and tonumber(due) > now then return {'delayed', record, tonumber(deliveries), tonumber(due), '', fault} end
if due or call('ZSCORE', key(1, READY), seq .. id) then return {'ready', record, tonumber(deliveries), 0, '', fault} end
for i = 1, #ARGV - p do
  if call('HEXISTS', extra(1 + i), id) == 1 then return {'running', record, tonumber(deliveries) + 1, 0, ARGV[p + i], fault} end
end
return {'moved', record}
