-- Renews the leases of workers that have not been taken back; sets the marks of reports, and returns those that are asked for, false where there is none.

local lease_ms, worker_count = next_number(), next_number()
local first = skip(worker_count)
local reports = next_number()
local is_about_marks = reports > 0 or cursor <= #ARGV -- the keys that are asked for come last
local wrong = is_about_marks and records_type_error()
if wrong then return wrong end

allow_when_memory_is_full()
for i = first, first + worker_count - 1 do call('ZADD', LEASES, 'XX', format('%.0f', now_ms + lease_ms), ARGV[i]) end
if not is_about_marks then return {} end
local marks, found = load_marks(), {}
for _ = 1, reports do marks.set(marks.next_op()) end
for i = cursor, #ARGV do
  local text = call('HGET', MARKS, ARGV[i])
  local mark = marks.parse_mark(text)
  found[#found + 1] = mark and not marks.has_ended(mark) and text or false
end
return found
