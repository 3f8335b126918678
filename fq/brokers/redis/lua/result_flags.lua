-- Says of each key whether it holds a result: a text of "1" and "0", in their order.

local call = redis.call
local KEYS_AT_ONCE = 50

-- A reader that waits for a result is no result. A key is read only where something is there: to ask that of many at once takes a tenth of the time.
local function is_result(key) return redis.pcall('GETRANGE', key, 0, 0) == 'R' end

local flags = {}
for first = 1, #KEYS, KEYS_AT_ONCE do
  local last = math.min(first + KEYS_AT_ONCE - 1, #KEYS)
  local any = call('EXISTS', unpack(KEYS, first, last)) > 0
  for i = first, last do flags[i] = any and is_result(KEYS[i]) and '1' or '0' end
end
return table.concat(flags)
