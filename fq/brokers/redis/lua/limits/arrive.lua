-- Lets a party come to a barrier, and returns how many are missing; -1 if there is no such barrier.
--
-- KEYS      see create.lua
-- ARGV[2]   party, ttl

local BARRIER, OPENED = unpack(KEYS)
local missing, until_ = string.match(call('HGET', BARRIER, '') or '', '^(%S+) (%S+)$')
if not until_ or tonumber(until_) <= now then return -1 end
missing = tonumber(missing) - call('HSETNX', BARRIER, 'party ' .. ARGV[2], '')
call('HSET', BARRIER, '', math.max(0, missing) .. ' ' .. whole(now + tonumber(ARGV[3])))
if missing <= 0 and call('EXISTS', OPENED) == 0 then call('XADD', OPENED, '*', 'opened', '1') end
call('PEXPIRE', BARRIER, ARGV[3])
call('PEXPIRE', OPENED, ARGV[3])
return math.max(0, missing)
