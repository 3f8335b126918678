-- Looks at everything before anything is written: at the tokens of commits, and at the types of keys that only some turns use.

-- Ids and tokens of the commits of each queue are ranges of ARGV. A commit is stale if its token is not current.
local commits_by_queue, stale_ids = {}, {}
for number = 1, next_number() do
  local commits = {queue = next_number(), count = next_number()}
  commits.done_count = next_number() -- the first ones are done
  commits.removed_count = next_number() -- and the next ones rescheduled: their records are not needed any more
  commits.ended_count = next_number() -- and the next ones buried or handed back: the rest of them goes on running
  commits.first_id = skip(commits.count)
  local first_token = skip(commits.count)
  local tokens = call('HMGET', queue_key(commits.queue, CLAIMED), unpack(ARGV, commits.first_id, first_token - 1))
  for i = 1, commits.count do
    if tokens[i] ~= ARGV[first_token + i - 1] then
      commits.is_stale = commits.is_stale or {}
      commits.is_stale[i] = true
      stale_ids[#stale_ids + 1] = ARGV[commits.first_id + i - 1]
    end
  end
  commits_by_queue[number] = commits
end

-- The keys of a group are hashes, and the queues of its follow-ups must be fit to be written to. The groups are the last arguments.
for i = #ARGV, #ARGV - header.group_count + 1, -1 do
  local group = tonumber(ARGV[i])
  local wrong = type_error('HLEN', extra_key(group)) or type_error('HLEN', extra_key(group + 1)) or type_error('HLEN', extra_key(group + 2))
  if wrong then return wrong end
  followup_queues(extra_key(group + 1))
end
if has_holders then
  local unique = load_unique_keys()
  for _, commits in ipairs(commits_by_queue) do
    unique.learn_queues({unpack(ARGV, commits.first_id, commits.first_id + commits.ended_count - 1)})
  end
end
local wrong = learned_queue_error()
if wrong then return wrong end
