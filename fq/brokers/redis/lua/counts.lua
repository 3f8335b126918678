-- Returns the counters of the first of some buckets: for each, names and numbers in turn. The caller asks for the others again.

local MAX_FIELDS = 4000

local counters, field_count = {}, 0
for i = 1, #KEYS - FIXED_COUNT do
  if field_count > MAX_FIELDS then break end
  counters[i] = call('HGETALL', extra_key(i))
  field_count = field_count + #counters[i] / 2
end
return counters
