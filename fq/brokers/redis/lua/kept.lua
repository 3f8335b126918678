-- Says of each key whether it holds a result: a text of "1" and "0", in their order.
--
-- KEYS      results; see await.lua

local found = {}
for i, key in ipairs(KEYS) do found[i] = redis.pcall('GETRANGE', key, 0, 0) == 'R' and '1' or '0' end
return table.concat(found)
