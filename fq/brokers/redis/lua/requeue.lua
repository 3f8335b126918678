-- Puts dead letters back on their queues, as arrivals of now, and opens groups again. Returns how many of the letters that were asked for there
-- were; -1, with nothing done, if anything is not as the caller saw it.
--
-- KEYS      after the queues: groups
-- ARGV[p]   five lists, each with its length before it:
--           letters that go: queue, id, when it died, whether it was asked for;
--           waiting messages that go: queue, id, place;
--           groups that are open, whose members have not arrived any more: group, how many, members;
--           groups that are open again: group, for how long, ms, how many, member and value of each, how many posts come after it, and these;
--           posts: queue, priority, head, id, body

local function list(read)
  local found, n = {}, tonumber(ARGV[p])
  p = p + 1
  for i = 1, n do found[i] = read() end
  return found
end

local function take(n)
  p = p + n
  return unpack(ARGV, p - n, p - 1)
end

local function take_all(n)
  local values = {}
  for i = 1, n do values[i] = ARGV[p + i - 1] end
  p = p + n
  return values
end

local letters = list(function()
  local queue, id, died, asked = take(4)
  return {queue = tonumber(queue), id = id, died = died, asked = asked == '1'}
end)
local waiting = list(function()
  local queue, id, seq = take(3)
  return {queue = tonumber(queue), id = id, seq = seq}
end)
local open = list(function()
  local group, n = take(2)
  return {group = extra(tonumber(group)), members = take_all(tonumber(n))}
end)
local reopened = list(function()
  local group, ttl, n = take(3)
  local one = {group = extra(tonumber(group)), followups = extra(tonumber(group) + 1), ttl = ttl, values = take_all(2 * tonumber(n))}
  one.posts = tonumber(take(1))
  one.first = p
  p = p + FOLLOWUP * one.posts
  return one
end)
local posts = list(function() return {take(5)} end)

-- Everything is looked at before anything is written.
local gone = {}
for _, one in ipairs(letters) do
  local letter = call('HGET', LETTERS, one.id)
  if not letter then return -1 end
  local died, _, _, record = letter_of(letter)
  if died ~= one.died or queue_of(record) ~= name(one.queue) then return -1 end
  local expiry = call('ZSCORE', key(one.queue, DEAD), one.id)
  if not expiry or tonumber(expiry) <= micros then gone[one.id] = true end
end
for _, one in ipairs(waiting) do
  local record = call('HGET', MESSAGES, one.id)
  if not record or queue_of(record) ~= name(one.queue) then return -1 end
  local priority, seq = place(record)
  one.delayed = seq .. priority .. '\0' .. one.id
  if seq ~= one.seq then return -1 end
  if not call('ZSCORE', key(one.queue, READY), seq .. one.id) and not call('ZSCORE', key(one.queue, DELAYED), one.delayed) then return -1 end
end
for _, one in ipairs(open) do
  local wrong = wrong_type('HLEN', one.group)
  if wrong then return wrong end
  if call('HGET', one.group, 'done') == '1' then return -1 end
end
for _, one in ipairs(reopened) do
  local wrong = wrong_type('HLEN', one.group) or wrong_type('HLEN', one.followups)
  if wrong then return wrong end
  if call('HLEN', one.group) > 0 and call('HGET', one.group, 'done') ~= '1' then return -1 end
end

local count = 0
for _, one in ipairs(letters) do
  if not gone[one.id] then
    call('ZREM', key(one.queue, DEAD), one.id)
    call('HDEL', LETTERS, one.id)
    if one.asked then count = count + 1 end
  end
end
for _, one in ipairs(waiting) do
  call('ZREM', key(one.queue, READY), one.seq .. one.id)
  call('ZREM', key(one.queue, DELAYED), one.delayed)
  call('HDEL', MESSAGES, one.id)
  call('HDEL', AGAIN, one.id)
  unmark(nil, {one.id})
end
for _, one in ipairs(open) do bulk('HDEL', one.group, one.members) end
for _, one in ipairs(reopened) do
  call('DEL', one.group)
  bulk('HSET', one.group, one.values)
  call('DEL', one.followups)
  keep_followups(one.followups, one.first, one.posts, one.ttl)
  call('PEXPIRE', one.group, one.ttl)
end
for _, each in ipairs(posts) do
  local queue, priority, head, id, body = unpack(each)
  if not gone[id] then post(tonumber(queue), priority, 0, head, id, body) end
end
flush()
ring_all()
return count
