-- Sets marks that are as expected; returns for each 1 if it is, else 0.

local mark, call_number, remembered_ms = extra_key(1), next_text(), next_text()
local marks = load_marks()

local wrong = records_type_error()
if wrong then return wrong end
local before = reply_before(mark, call_number, remembered_ms)
if before then return before end
marks.expire(100)
local reply = {}
while cursor <= #ARGV do reply[#reply + 1] = marks.set(marks.next_op()) and 1 or 0 end
marks.expire(ends_added)
flush_queues()
wake_waiting_workers()
wake_for_due_marks()
return remember_reply(mark, call_number, remembered_ms, reply)
