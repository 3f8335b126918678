-- Returns the owners in the line, those first whose turn it is first.
--
-- ARGV[2]   at most how many

local found = {}
for at, member in ipairs(call('ZRANGE', WAITING, 0, ARGV[2] - 1)) do
  found[at] = sub(member, TURN_DIGITS + 1)
end
return found
