-- Deletes up to 500 of what waits in a queue; returns how many that was.

local ids = {}
for _, member in ipairs(call('ZRANGE', key(1, READY), 0, 499)) do ids[#ids + 1] = sub(member, PLACE + 1) end
if #ids > 0 then
  call('ZREMRANGEBYRANK', key(1, READY), 0, #ids - 1)
else
  for _, member in ipairs(call('ZRANGE', key(1, DELAYED), 0, 499)) do ids[#ids + 1] = sub(member, (find(member, '\0', PLACE + 1, true) or PLACE) + 1) end
  if #ids > 0 then call('ZREMRANGEBYRANK', key(1, DELAYED), 0, #ids - 1) end
end
if #ids > 0 then
  call('HDEL', MESSAGES, unpack(ids))
  call('HDEL', AGAIN, unpack(ids))
  unmark(nil, ids)
end
return #ids
