-- Says for how long a worker's lease still runs, in ms, and how many messages it has claimed; nothing if it has no lease.

local lease = call('ZSCORE', LEASES, next_text())
if not lease then return false end
local count = 0
for queue = 1, queue_count do count = count + claim_count(queue_key(queue, CLAIMED)) end
return {math.max(0, tonumber(lease) - now_ms), count}
