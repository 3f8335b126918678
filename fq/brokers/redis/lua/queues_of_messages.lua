-- Returns the queue of each message that waits or is claimed, false for others.

local reply = {}
for i = cursor, #ARGV do
  local record = call('HGET', MESSAGES, ARGV[i])
  reply[#reply + 1] = record and (queue_of_record(record) or '') or false -- '' where something else has written it
end
return reply
