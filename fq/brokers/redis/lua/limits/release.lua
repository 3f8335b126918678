-- Gives a slot back, and returns 1 if it was still the holder's.
--
-- ARGV[2]   owner, token, "1" to learn for how long slots are held

local _, owner, token, learns = unpack(ARGV)
local current_token, since = facts(owner)
if current_token ~= token then return 0 end
call('ZREM', SLOTS, owner)
call('HDEL', FACTS, owner)
if learns == '1' then
  local hold, known = facts('')
  local held = now - since
  hold = tonumber(hold or held)
  hold = math.max(1, hold + math.floor((held - hold) / (held > hold and 4 or 2)))
  call('HSET', FACTS, '', whole(hold) .. ' ' .. whole(known or since))
  keep_facts(REMEMBERED_MS)
end
return 1
