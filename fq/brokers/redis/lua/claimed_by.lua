-- Returns what a worker has claimed, the earliest claims first: id, record, when it was claimed in microseconds.

local limit = next_number()
local claims, reply = {}, {}
for queue = 1, queue_count do
  local fields = call('HGETALL', queue_key(queue, CLAIMED))
  for i = 1, #fields, 2 do
    if fields[i] ~= PAD_FIELD then claims[#claims + 1] = {id = fields[i], token = fields[i + 1]} end
  end
end
table.sort(claims, function(a, b) return a.token < b.token or a.token == b.token and a.id < b.id end)
for i = 1, math.min(#claims, limit) do
  local claim = claims[i]
  local record = call('HGET', MESSAGES, claim.id)
  if record then reply[#reply + 1] = {claim.id, record, claim.token} end
end
return reply
