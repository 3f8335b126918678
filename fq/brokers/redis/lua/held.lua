-- Returns what a worker holds, those claimed first first: id, record, when it was claimed in microseconds.
--
-- KEYS      claimed are the worker's
-- ARGV[p]   how many to return

local found, reply = {}, {}
for queue = 1, queues do
  local claims = call('HGETALL', key(queue, CLAIMED))
  for i = 1, #claims, 2 do
    if claims[i] ~= PAD then found[#found + 1] = {claims[i], claims[i + 1]} end
  end
end
table.sort(found, function(a, b) return a[2] < b[2] or a[2] == b[2] and a[1] < b[1] end)
for i = 1, math.min(#found, tonumber(ARGV[p])) do
  local record = call('HGET', MESSAGES, found[i][1])
  if record then reply[#reply + 1] = {found[i][1], record, found[i][2]} end
end
return reply
