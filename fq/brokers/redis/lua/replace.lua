-- Puts another message in the place of one that waits. Returns 1 if it does, 0 if there is none, or another than is expected, and -1 if that is in
-- another queue than the caller believes.

local mark, call_number, remembered_ms = extra_key(1), next_text(), next_text()
local former_queue, queue, priority, delay_ms = next_number(), next_number(), next_text(), next_number()
local head, id, body, has_expected, expected, max_wait_ms = next_text(), next_text(), next_text(), next_flag(), next_text(), next_number()

local unique = load_unique_keys()
local wrong = records_type_error()
if wrong then return wrong end
local before = reply_before(mark, call_number, remembered_ms)
if before then return before end

local function replace()
  local record = call('HGET', MESSAGES, id)
  if not record then return 0 end
  if queue_of_record(record) ~= queue_name(former_queue) then return -1 end

  local former_priority, sequence = priority_and_sequence(record)
  local ready, delayed = sequence .. id, delayed_member(sequence, former_priority, id)
  if not call('ZSCORE', queue_key(former_queue, READY), ready) and not call('ZSCORE', queue_key(former_queue, DELAYED), delayed) then return 0 end
  if has_expected and string.match(record, '^[^%z]*%z[^%z]*%z[^%z]*%z(.*)$') ~= expected then return 0 end

  call('ZREM', queue_key(former_queue, READY), ready)
  call('ZREM', queue_key(former_queue, DELAYED), delayed)
  local _, holder = unique.of_message(id)
  if holder and max_wait_ms > 0 then delay_ms = math.min(delay_ms, math.max(0, holder.since + max_wait_ms - now_ms)) end
  if call('ZSCORE', CANCELLED, '\0' .. id) then
    delay_ms = 0
  elseif holder and holder.aside == id then
    delay_ms = nil
  end
  unique.queue_again(queue, priority, delay_ms, head, id, body)
  unique.move(id, queue)
  flush_queues()
  wake_waiting_workers()
  return 1
end

return remember_reply(mark, call_number, remembered_ms, replace())
