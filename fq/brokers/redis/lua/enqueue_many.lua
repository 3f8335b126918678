-- Puts messages on their queues, all or none. Returns 0 if this call, or a later one of its mark, was made before, else 1 more than how many
-- messages are new.

local mark, call_number, remembered_ms = extra_key(1), next_text(), next_text()

-- A call repeated because its reply was lost, or a copy of it that arrives late, adds nothing, even if its messages have run in the meantime.
local before = call('SET', mark, call_number, 'PX', remembered_ms, 'GET')
if before and tonumber(before) >= tonumber(call_number) then
  call('SET', mark, before, 'PX', remembered_ms)
  return 0
end
local new_count = 0
while cursor <= #ARGV do
  local queue, priority, delay_ms, head, count = next_number(), next_text(), next_number(), next_text(), next_number()
  new_count = new_count + enqueue_next(queue, priority, delay_ms, head, count)
end
flush_queues()
wake_waiting_workers()
return new_count + 1
