-- Lets a slot run on, and returns 1 if it was still the holder's.
--
-- ARGV[2]   owner, token, ttl

if facts(ARGV[2]) ~= ARGV[3] then return 0 end
call('ZADD', SLOTS, whole(now + tonumber(ARGV[4])), ARGV[2])
keep(SLOTS, tonumber(ARGV[4]))
keep_facts(tonumber(ARGV[4]))
return 1
