-- Lets the follow-ups of groups be cancelled, where these are not complete already.

local ttl = next_text() -- for how long that is remembered of a group at which no member has arrived, ms
local group_count = #KEYS - FIXED_COUNT

for i = 1, group_count do
  local wrong = type_error('HLEN', extra_key(i))
  if wrong then return wrong end
end
allow_when_memory_is_full()
for i = 1, group_count do
  local group_key = extra_key(i)
  local is_new = call('EXISTS', group_key) == 0
  if call('HGET', group_key, 'done') ~= '1' then call('HSET', group_key, 'done', 0) end
  if is_new then call('PEXPIRE', group_key, ttl) end
end
return 1
