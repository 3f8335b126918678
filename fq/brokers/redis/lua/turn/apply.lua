-- Applies the commits that are not stale: first messages that are done go, then results are stored, then comes what else commits say.

allow_when_memory_is_full()

if has_ends then load_marks().expire(100) end

local NO_ID = '\0' -- no message has this id; a command needs one

-- Returns the ids of the first *count* commits of a queue, as far as they are current.
local function current_ids(commits, count)
  if not commits.is_stale then return unpack(ARGV, commits.first_id, commits.first_id + count - 1) end
  local ids = {NO_ID}
  for i = 1, count do
    if not commits.is_stale[i] then ids[#ids + 1] = ARGV[commits.first_id + i - 1] end
  end
  return unpack(ids)
end

local is_cancelled = {} -- by the id of a message
for _, commits in ipairs(commits_by_queue) do
  if commits.ended_count > 0 then call('HDEL', queue_key(commits.queue, CLAIMED), current_ids(commits, commits.ended_count)) end
  if commits.removed_count > 0 then call('HDEL', MESSAGES, current_ids(commits, commits.removed_count)) end
  if commits.done_count > 0 and has_delivery_notes then call('HDEL', DELIVERY_NOTES, current_ids(commits, commits.done_count)) end
  if has_cancelled then
    for _, id in ipairs({current_ids(commits, commits.count)}) do is_cancelled[id] = call('ZSCORE', CANCELLED, '\0' .. id) and true end
    for _, id in ipairs({current_ids(commits, commits.ended_count)}) do call('ZREM', CANCELLED, header.worker .. '\0' .. id) end
    remove_cancel_marks(nil, {current_ids(commits, commits.done_count)})
  end
  if has_holders then load_unique_keys().free({current_ids(commits, commits.done_count)}) end
end

-- Results of messages that are done and have nothing else to say are in runs of one queue and one ttl.
for _ = 1, next_number() do
  local commits, ttl, count = commits_by_queue[next_number()], next_text(), next_number()
  local first = skip(3 * count) -- index of the commit, key, body of each
  for i = first, cursor - 1, 3 do
    local index = tonumber(ARGV[i])
    if not (commits.is_stale and commits.is_stale[index]) then
      store_result(extra_key(tonumber(ARGV[i + 1])), ttl, ARGV[commits.first_id + index - 1], ARGV[i + 2])
    end
  end
end

-- Commits that have more to say: the disposition, then the operations.
local extra_count = next_number()
local operations, dispositions
if extra_count > 0 then operations, dispositions = load_operations() end
for _ = 1, extra_count do
  local size = next_number()
  local after = cursor + size
  local commits, index = commits_by_queue[next_number()], next_number()
  if not (commits.is_stale and commits.is_stale[index]) then
    local id = ARGV[commits.first_id + index - 1]
    dispositions[next_text()](commits.queue, id)
    while cursor < after do operations[next_text()](is_cancelled[id]) end
  end
  cursor = after
end

if ends_added > 0 then load_marks().expire(ends_added) end
