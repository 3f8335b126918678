-- Renews the leases of workers that have not been taken back.

local lease_ms = next_number()
allow_when_memory_is_full()
for i = cursor, #ARGV do call('ZADD', LEASES, 'XX', format('%.0f', now_ms + lease_ms), ARGV[i]) end
return 1
