-- Adds to counters, which are in a hash for each bucket.

for i = 1, #KEYS - FIXED_COUNT do
  local wrong = type_error('HLEN', extra_key(i))
  if wrong then return wrong end
end
allow_when_memory_is_full()
while cursor <= #ARGV do
  local bucket_key, name, by, ttl_ms = extra_key(next_number()), next_text(), next_text(), next_text()
  call('HINCRBY', bucket_key, name, by)
  if call('PTTL', bucket_key) == -1 then call('PEXPIRE', bucket_key, ttl_ms) end
end
return 1
