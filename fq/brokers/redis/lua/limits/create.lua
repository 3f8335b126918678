-- Makes a barrier, and returns 1 if there was none.
--
-- KEYS      BARRIER, hash: under "" how many are missing and until when it stays, "<missing> <until>"; each party that has come
--           OPENED, stream: an entry once no party is missing
-- ARGV[2]   parties, ttl

local BARRIER, OPENED = unpack(KEYS)
local _, parties, ttl = unpack(ARGV)
local _, ends_at = string.match(call('HGET', BARRIER, '') or '', '^(%S+) (%S+)$')
if ends_at and tonumber(ends_at) > now then return 0 end
call('DEL', BARRIER, OPENED)
call('HSET', BARRIER, '', parties .. ' ' .. whole(now + tonumber(ttl)))
call('PEXPIRE', BARRIER, ttl)
return 1
