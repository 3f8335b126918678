-- The arguments of a turn begin with this header. Then come the commits, which turn/fence.lua and turn/apply.lua read, and the groups that they name.

local header = {}
header.worker = next_text()
header.number = next_text()
header.lease_ms = next_number()
header.limit = next_number()
header.channel = next_text() -- '' if the worker does not wait
header.is_registered = next_flag() -- as waiting, perhaps
header.queue_count = next_number() -- the first ones of the call; the others belong to commits
header.dead_ttl_ms = next_number()
header.first_queue = next_number()
header.group_count = next_number()
header.is_patient = next_flag()
header.known_turn = next_text() -- '' if the worker does not know
header.max_bytes = next_number()
header.first_may_be_larger = next_flag()
header.known_handed = next_text() -- token of the latest message that was handed to the worker, as far as it knows

local queue_names = concat(ARGV, '\0', 3, 2 + header.queue_count)
dead_ttl_ms = header.dead_ttl_ms

local paused_queues, has_ends = {}, false
local key_count = call('EXISTS', DELIVERY_NOTES, CANCELLED, PAUSED, HOLDERS, UNIQUE, MARKS, LISTED, ENDS)
if key_count > 0 then
  has_delivery_notes, has_cancelled = call('EXISTS', DELIVERY_NOTES) == 1, call('EXISTS', CANCELLED) == 1
  local names = call('SMEMBERS', PAUSED)
  for _, name in ipairs(names) do paused_queues[name] = true end
  if key_count > (has_delivery_notes and 1 or 0) + (has_cancelled and 1 or 0) + (names[1] and 1 or 0) then
    local wrong = records_type_error()
    if wrong then return wrong end
    has_holders, has_listed, has_ends = call('EXISTS', HOLDERS) == 1, call('EXISTS', LISTED) == 1, call('EXISTS', ENDS) == 1
  end
end
