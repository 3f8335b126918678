-- Lets what comes after groups be cancelled, where they are not complete already.
--
-- KEYS      the groups
-- ARGV[p]   for how long that is remembered of a group at which no member has arrived, ms

for i = 1, #KEYS - 9 do
  local wrong = wrong_type('HLEN', extra(i))
  if wrong then return wrong end
end
goes_on_without_memory()
for i = 1, #KEYS - 9 do
  local is_new = call('EXISTS', extra(i)) == 0
  if call('HGET', extra(i), 'done') ~= '1' then call('HSET', extra(i), 'done', 0) end
  if is_new then call('PEXPIRE', extra(i), ARGV[p]) end
end
return 1
