-- Returns the queue of each message that waits or is held, false for others.
--
-- ARGV[p]   ids

local reply = {}
for i = p, #ARGV do
  local record = call('HGET', MESSAGES, ARGV[i])
  reply[#reply + 1] = record and (queue_of(record) or '') or false -- of none where something else has written it
end
return reply
