-- Returns the owners of slots, those first whose slots lapse first: owner and token of each.
--
-- ARGV[2]   at most how many

local found = {}
for _, holder in ipairs(call('ZRANGE', SLOTS, 0, ARGV[2] - 1)) do
  local token = facts(holder)
  if token then found[#found + 1] = {holder, token} end
end
return found
