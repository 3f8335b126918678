-- What the server remembers of a worker's latest turn, as JSON in the hash WORKERS: what a repeated turn is answered with.
--
-- turn                     number of the latest turn that is remembered
-- token                    of what that turn claimed, '0' if nothing
-- latest_token             of the latest claim
-- stale_ids, cancelled_ids what that turn replied
-- moved_letters            the same; there are none where this is missing
-- takes_handed             enqueue_one.lua may hand messages to this worker while it waits; missing in what older workers remember
-- handed                   the latest of these messages that it is not known to have had: token, queue, id; is_told if that turn replied with it
-- queues                   that the worker claims from, those of earlier turns last

local memory = {turn = '', token = '0', latest_token = '0', stale_ids = {}, cancelled_ids = {}, queues = {}}
local memory_text = call('HGET', WORKERS, header.worker)
if memory_text and sub(memory_text, 1, 1) == '{' then
  memory = cjson.decode(string.match(memory_text, '^[^%z]*'))
elseif memory_text then
  -- What fq before JSON wrote: each part ended by NUL, the ids with their two counts before them. It is not needed after the next release.
  local stale_count, cancelled_count, rest
  memory.turn, memory.token, memory.latest_token, stale_count, cancelled_count, rest =
    string.match(memory_text, '^([^%z]*)%z(%d+)%z(%d+)%z(%d+)%z(%d+)%z(.*)%z$')
  local names = {}
  for name in string.gmatch(rest, '([^%z]*)%z') do names[#names + 1] = name end
  names[#names + 1] = string.match(rest, '[^%z]*$')
  local ids_end = stale_count + cancelled_count
  for i, name in ipairs(names) do
    local list = i <= tonumber(stale_count) and memory.stale_ids or i <= ids_end and memory.cancelled_ids or memory.queues
    if i <= ids_end or name ~= '' then list[#list + 1] = name end
  end
end
