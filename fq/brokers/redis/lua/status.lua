-- Says where a message is: state, record, deliveries, due, worker, fault, since when in us (of a dead letter, when it died, in ms); or only the state if no
-- record is kept, and of the id of a group that is open how many members have arrived.

local id, finished_key = next_text(), next_text()
local result_key, group_key = extra_key(1), extra_key(2)

local function is_of_this_queue(record) return queue_count > 0 and queue_name(1) == queue_of_record(record) end

-- Returns the reply for what is neither a message nor a dead letter.
local function state_of_ended()
  local result, finished = redis.pcall('GET', result_key), redis.pcall('HGET', MARKS, finished_key)
  if type(result) == 'string' and sub(result, 1, 1) == 'R' then return {'done'} end
  local until_ms = type(finished) == 'string' and tonumber(string.match(finished, '^%d+'))
  if until_ms and (until_ms == 0 or until_ms > now_ms) then return {'done'} end
  local arrived = redis.pcall('HLEN', group_key)
  if type(arrived) == 'table' or arrived == 0 then return {'unknown'} end
  local done = call('HGET', group_key, 'done')
  if done == '1' then return {'done'} end
  return {'waiting', arrived - (done and 1 or 0)}
end

local record = call('HGET', MESSAGES, id)
if not record then
  local letter = call('HGET', LETTERS, id)
  if letter then
    local died, _, fault, dead_record = parse_letter(letter)
    if not is_of_this_queue(dead_record) then return {'moved', dead_record} end
    local expiry = call('ZSCORE', queue_key(1, DEAD), id)
    if expiry and tonumber(expiry) > now_us then return {'dead', dead_record, 0, 0, '', fault, died} end
  end
  return state_of_ended()
end
-- It may have moved to another queue since the caller looked: the caller looks again.
if not is_of_this_queue(record) then return {'moved', record} end

local priority, sequence = priority_and_sequence(record)
local deliveries, _, fault = parse_delivery_note(call('HGET', DELIVERY_NOTES, id))
local error_type_end = find(fault, '\0', 1, true)
if error_type_end then fault = sub(fault, error_type_end + 1) end
deliveries = tonumber(deliveries)
local due = tonumber(call('ZSCORE', queue_key(1, DELAYED), delayed_member(sequence, priority, id)) or nil)
if due and due > now_ms then return {'delayed', record, deliveries, due, '', fault, sequence} end
if due or call('ZSCORE', queue_key(1, READY), sequence .. id) then return {'ready', record, deliveries, 0, '', fault, sequence} end
for i = 1, #ARGV - cursor + 1 do
  local token = call('HGET', extra_key(2 + i), id)
  if token then return {'running', record, deliveries + 1, 0, ARGV[cursor + i - 1], fault, token} end
end
return {'moved', record}
