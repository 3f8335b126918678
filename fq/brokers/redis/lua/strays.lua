-- Takes from a worker what it claimed and cannot read, since something else than fq has put it there, and makes dead letters of it; returns letters
-- that have a later one in another queue.
--
-- KEYS      claimed are the worker's
-- ARGV[p]   worker, how long dead letters are kept; then for each: queue, id, token of the claim, its id as text, fault

local worker = ARGV[p]
dead_ttl = tonumber(ARGV[p + 1])
goes_on_without_memory()
for i = p + 2, #ARGV, 5 do
  local queue, id = tonumber(ARGV[i]), ARGV[i + 1]
  if call('HGET', key(queue, CLAIMED), id) == ARGV[i + 2] then
    local found = call('HGET', MESSAGES, id)
    call('HDEL', key(queue, CLAIMED), id)
    call('HDEL', MESSAGES, id)
    call('HDEL', AGAIN, id)
    unmark(worker, {id})
    if found then
      call('SADD', QUEUES, name(queue))
      bury(queue, ARGV[i + 3], place_of(0) .. '0\0' .. name(queue) .. '\0\0' .. found, ARGV[i + 4])
    end
  end
end
return moved
