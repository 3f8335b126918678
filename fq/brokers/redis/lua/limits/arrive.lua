-- Lets a party come to a barrier, and returns how many are missing; -1 if there is no such barrier.
--
-- KEYS      see create.lua
-- ARGV[2]   party, ttl

local BARRIER, OPENED = unpack(KEYS)
local _, party, ttl = unpack(ARGV)
local missing, ends_at = string.match(call('HGET', BARRIER, '') or '', '^(%S+) (%S+)$')
if not ends_at or tonumber(ends_at) <= now then return -1 end
missing = tonumber(missing) - call('HSETNX', BARRIER, 'party ' .. party, '')
call('HSET', BARRIER, '', math.max(0, missing) .. ' ' .. whole(now + tonumber(ttl)))
if missing <= 0 and call('EXISTS', OPENED) == 0 then call('XADD', OPENED, '*', 'opened', '1') end
call('PEXPIRE', BARRIER, ttl)
call('PEXPIRE', OPENED, ttl)
return math.max(0, missing)
