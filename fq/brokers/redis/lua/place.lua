-- Puts messages on their queues, all but those whose unique key is held. Returns for each 1 if it is new, else the id of the message that stands for it.

local mark, call_number, remembered_ms = extra_key(1), next_text(), next_text()
local unique = load_unique_keys()

local wrong = records_type_error()
if wrong then return wrong end
local before = reply_before(mark, call_number, remembered_ms)
if before then return before end
local reply = {}
while cursor <= #ARGV do
  local id, is_new = unique.place(unique.next_post(), false)
  reply[#reply + 1] = is_new and 1 or id
end
flush_queues()
wake_waiting_workers()
return remember_reply(mark, call_number, remembered_ms, reply)
