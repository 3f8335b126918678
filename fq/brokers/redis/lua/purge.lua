-- Deletes some of what waits in a queue; returns how many messages that was.

local MAX_DELETED = 500

-- Removes the first members of one kind; returns the ids in them.
local function remove_first(kind, id_of)
  local ids, queue = {}, queue_key(1, kind)
  for _, member in ipairs(call('ZRANGE', queue, 0, MAX_DELETED - 1)) do ids[#ids + 1] = id_of(member) end
  if #ids > 0 then call('ZREMRANGEBYRANK', queue, 0, #ids - 1) end
  return ids
end

local ids = remove_first(READY, function(member) return sub(member, SEQUENCE_DIGITS + 1) end)
if #ids == 0 then
  ids = remove_first(DELAYED, function(member)
    return sub(member, (find(member, '\0', SEQUENCE_DIGITS + 1, true) or SEQUENCE_DIGITS) + 1)
  end)
end
if #ids > 0 then
  call('HDEL', MESSAGES, unpack(ids))
  call('HDEL', DELIVERY_NOTES, unpack(ids))
  remove_cancel_marks(nil, ids)
end
return #ids
