-- Puts messages on their queues, all or none.
--
-- KEYS      after the queues: a mark, which remembers the number of the latest call that used it
-- ARGV[p]   the number of this call, higher than that of any call before it that used the mark, for how long it is remembered, ms, then groups: queue, priority, delay, head, how many, and id and body of each

-- Returns 0 if this call, or a later one of its mark, was made before, else 1 more than how many messages are new.

-- A call repeated because its reply was lost, or a copy of it that arrives late, adds nothing, even if its messages have run in the meantime.
local before = call('SET', extra(1), ARGV[p], 'PX', ARGV[p + 1], 'GET')
if before and tonumber(before) >= tonumber(ARGV[p]) then
  call('SET', extra(1), before, 'PX', ARGV[p + 1])
  return 0
end
p = p + 2
local new = 0
while ARGV[p] do
  local queue, priority, delay, head, count = tonumber(ARGV[p]), ARGV[p + 1], tonumber(ARGV[p + 2]), ARGV[p + 3], tonumber(ARGV[p + 4])
  new = new + post_all(queue, priority, delay, head, p + 5, count)
  p = p + 5 + 2 * count
end
flush()
ring_all()
return new + 1
