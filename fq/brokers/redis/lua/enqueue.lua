-- Puts messages on their queues, all or none.
--
-- KEYS      after the queues: a mark that remembers this producer's latest call
-- ARGV[p]   the number of this call, then groups: queue, priority, delay, head, how many, and id and body of each

local function first_wrong()
  for queue = 1, queues do
    local wrong = wrong_type('ZCARD', key(queue, READY)) or wrong_type('ZCARD', key(queue, DELAYED))
    if wrong then return wrong end
  end
  return wrong_type('HLEN', MESSAGES) or wrong_type('SCARD', QUEUES) or wrong_type('ZCARD', WAITING)
end

local wrong = first_wrong()
if wrong then return wrong end
-- A call repeated because its reply was lost adds nothing, even if its messages have run in the meantime.
local number = ARGV[p]
p = p + 1
if call('SET', extra(1), number, 'PX', 60000, 'GET') == number then return 0 end
while ARGV[p] do
  local queue, priority, delay, head, count = tonumber(ARGV[p]), ARGV[p + 1], tonumber(ARGV[p + 2]), ARGV[p + 3], tonumber(ARGV[p + 4])
  post_all(queue, priority, delay, head, p + 5, count)
  p = p + 5 + 2 * count
end
flush()
ring_all()
return 1
