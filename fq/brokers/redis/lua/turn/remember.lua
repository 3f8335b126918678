-- What a turn leaves behind: nothing that has expired, the registration of the worker as waiting, and what is remembered of the turn.

if claimed_count == 0 then
  for queue = 1, header.queue_count do
    local claims_key = queue_key(queue, CLAIMED)
    if call('HLEN', claims_key) == 1 and claim_count(claims_key) == 0 then call('DEL', claims_key) end
    drop_expired_letters(queue)
  end
end

-- A worker is registered as waiting in the same step that found nothing, so that no wake-up is lost between the two.
local waits = limit > 0 and claimed_count == 0
if header.channel ~= '' and (header.is_registered or waits) then
  for _, name in ipairs(header.is_registered and memory.queues or {}) do call('ZREM', WAITING, name .. '\0' .. header.channel) end
  if waits then
    for queue = 1, header.queue_count do call('ZADD', WAITING, 0, queue_name(queue) .. '\0' .. header.channel) end
    call('PEXPIRE', WAITING, MAX_IDLE_MS)
  end
end

local known_names, queues, new_names = concat(memory.queues, '\0'), memory.queues, queue_names
if queue_names ~= known_names then
  local is_listed = {}
  queues = {}
  for queue = 1, header.queue_count do
    queues[queue] = queue_name(queue)
    is_listed[queue_name(queue)] = true
  end
  for _, name in ipairs(memory.queues) do
    if not is_listed[name] then queues[#queues + 1] = name end
  end
  new_names = concat(queues, '\0')
end

-- A turn is remembered if there is anything to repeat.
local latest_turn = memory.turn
if claimed_count > 0 or commits_by_queue[1] or cancelled_ids[1] or new_names ~= known_names or memory.handed or not memory_text or header.known_turn == '' then
  latest_turn = header.number
  local latest_token = token > 0 and token_text or memory.latest_token
  local text = cjson.encode({
    turn = latest_turn, token = token_text, latest_token = latest_token,
    stale_ids = stale_ids, cancelled_ids = cancelled_ids, queues = queues, moved_letters = moved_letters[1] and moved_letters or nil,
    takes_handed = true, handed = handed,
  })
  -- The queues once more, as fq before JSON reads them: it takes back what a dead worker has claimed only of queues that it reads. The next
  -- release need not write them.
  call('HSET', WORKERS, header.worker, text .. '\0\0\0000\0000\0' .. new_names .. '\0')
end
