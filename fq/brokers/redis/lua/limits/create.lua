-- Makes a barrier, and returns 1 if there was none.
--
-- KEYS      BARRIER, hash: under "" how many are missing and until when it stays, "<missing> <until>"; each party that has come
--           OPENED, stream: an entry once nobody is missing
-- ARGV[2]   parties, ttl

local BARRIER, OPENED = unpack(KEYS)
local _, until_ = string.match(call('HGET', BARRIER, '') or '', '^(%S+) (%S+)$')
if until_ and tonumber(until_) > now then return 0 end
call('DEL', BARRIER, OPENED)
call('HSET', BARRIER, '', ARGV[2] .. ' ' .. whole(now + tonumber(ARGV[3])))
call('PEXPIRE', BARRIER, ARGV[3])
return 1
