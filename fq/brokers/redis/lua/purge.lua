-- Deletes some of what waits in a queue; returns how many messages that was.

local MAX_DELETED = 200

-- Returns the first members of one kind.
local function first_of(kind) return call('ZRANGE', queue_key(1, kind), 0, MAX_DELETED - 1) end

local kind, members, ids = READY, first_of(READY), {}
if #members == 0 then
  kind, members = DELAYED, first_of(DELAYED)
end
if #members == 0 then return 0 end
for i, member in ipairs(members) do
  local id_start = kind == DELAYED and find(member, '\0', SEQUENCE_DIGITS + 1, true) or SEQUENCE_DIGITS
  ids[i] = sub(member, id_start + 1)
end
local unique = load_unique_keys()
local wrong = records_type_error()
if wrong then return wrong end
unique.learn_queues(ids)
wrong = learned_queue_error()
if wrong then return wrong end

call('ZREMRANGEBYRANK', queue_key(1, kind), 0, #ids - 1)
call('HDEL', MESSAGES, unpack(ids))
call('HDEL', DELIVERY_NOTES, unpack(ids))
remove_cancel_marks(nil, ids)
unique.free(ids)
flush_queues()
wake_waiting_workers()
return #ids
