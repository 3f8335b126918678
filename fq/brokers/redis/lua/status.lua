-- Says where a message is: state, record, deliveries, due, worker, fault; or only the state if no record is kept.

local id = next_text()
local result_key = extra_key(1)

local function is_of_this_queue(record) return queue_count > 0 and queue_name(1) == queue_of_record(record) end

local record = call('HGET', MESSAGES, id)
if not record then
  local letter = call('HGET', LETTERS, id)
  if letter then
    local _, _, fault, dead_record = parse_letter(letter)
    if not is_of_this_queue(dead_record) then return {'moved', dead_record} end
    local expiry = call('ZSCORE', queue_key(1, DEAD), id)
    if expiry and tonumber(expiry) > now_us then return {'dead', dead_record, 0, 0, '', fault} end
  end
  local result = call('GET', result_key)
  return {result and sub(result, 1, 1) == 'R' and 'done' or 'unknown'}
end
-- It may have moved to another queue since the caller looked: the caller looks again.
if not is_of_this_queue(record) then return {'moved', record} end

local priority, sequence = priority_and_sequence(record)
local deliveries, _, fault = parse_delivery_note(call('HGET', DELIVERY_NOTES, id))
local error_type_end = find(fault, '\0', 1, true)
if error_type_end then fault = sub(fault, error_type_end + 1) end
deliveries = tonumber(deliveries)
local due = tonumber(call('ZSCORE', queue_key(1, DELAYED), delayed_member(sequence, priority, id)) or nil)
if due and due > now_ms then return {'delayed', record, deliveries, due, '', fault} end
if due or call('ZSCORE', queue_key(1, READY), sequence .. id) then return {'ready', record, deliveries, 0, '', fault} end
for i = 1, #ARGV - cursor + 1 do
  if call('HEXISTS', extra_key(1 + i), id) == 1 then return {'running', record, deliveries + 1, 0, ARGV[cursor + i - 1], fault} end
end
return {'moved', record}
