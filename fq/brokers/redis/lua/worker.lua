-- Says for how long a worker's lease still runs, and how many messages it holds; nothing if it has none.
--
-- KEYS      claimed are the worker's
-- ARGV[p]   worker

local lease = call('ZSCORE', LEASES, ARGV[p])
if not lease then return false end
local count = 0
for queue = 1, queues do count = count + held(key(queue, CLAIMED)) end
return {math.max(0, tonumber(lease) - now), count}
