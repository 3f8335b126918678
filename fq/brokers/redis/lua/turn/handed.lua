-- A message that enqueue_one.lua has claimed for this worker while it waited. The worker has heard of it by then, unless the publication was lost.

local handed = memory.handed
if handed and (handed.token == header.known_handed or handed.is_told and memory.turn ~= header.number) then handed = nil end

-- Appends it to the reply if it is of one of the queues of this turn, and still claimed. Else it is told later, or forgotten.
local function tell_handed()
  for queue = 1, handed and header.queue_count or 0 do
    if queue_name(queue) == handed.queue then
      if call('HGET', queue_key(queue, CLAIMED), handed.id) ~= handed.token then
        handed = nil
        return
      end
      handed.is_told = true
      return append_claim(queue, {handed.id}, {sequence_at(0) .. handed.id}, nil, handed.token)
    end
  end
end
