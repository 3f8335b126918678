-- Renews a slot, and returns 1 if it was still the holder's.
--
-- ARGV[2]   owner, token, ttl

local _, owner, token, ttl = unpack(ARGV)
ttl = tonumber(ttl)
if facts(owner) ~= token then return 0 end
call('ZADD', SLOTS, whole(now + ttl), owner)
keep(SLOTS, ttl)
keep_facts(ttl)
return 1
