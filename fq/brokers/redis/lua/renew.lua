-- Renews the leases of workers that have not been taken back.
--
-- ARGV[p]   lease, workers

goes_on_without_memory()
for i = p + 1, #ARGV do call('ZADD', LEASES, 'XX', format('%.0f', now + tonumber(ARGV[p])), ARGV[i]) end
return 1
