-- Puts dead letters back on their queues, as arrivals of now, and opens groups again. Returns how many of the letters that were asked for there
-- were; -1, with nothing done, if anything is not as the caller saw it.

-- Reads a list, which has its length before it.
local function next_list(next_item)
  local items = {}
  for i = 1, next_number() do items[i] = next_item() end
  return items
end

local letters = next_list(function()
  local letter = {queue = next_number(), id = next_text()}
  letter.died = next_text()
  letter.is_asked_for = next_flag()
  return letter
end)
local waiting = next_list(function()
  local message = {queue = next_number(), id = next_text()}
  message.sequence = next_text()
  return message
end)
local open_groups = next_list(function() return {key = extra_key(next_number()), removed_members = next_list(next_text)} end)
local reopened_groups = next_list(function()
  local number = next_number()
  local group = {key = extra_key(number), followups_key = extra_key(number + 1)}
  group.ttl = next_text()
  group.values = next_list(next_text)
  group.followup_count = next_number()
  group.first_followup = skip(FOLLOWUP_SIZE * group.followup_count)
  return group
end)
local posts = next_list(load_unique_keys().next_post)

local is_gone = {} -- letters that have been kept long enough, by id

local function is_letter_changed(letter)
  local found = call('HGET', LETTERS, letter.id)
  if not found then return true end
  local died, _, _, record = parse_letter(found)
  if died ~= letter.died or queue_of_record(record) ~= queue_name(letter.queue) then return true end
  local expiry = call('ZSCORE', queue_key(letter.queue, DEAD), letter.id)
  is_gone[letter.id] = not expiry or tonumber(expiry) <= now_us
end

local function is_message_changed(message)
  local record = call('HGET', MESSAGES, message.id)
  if not record or queue_of_record(record) ~= queue_name(message.queue) then return true end
  local priority, sequence = priority_and_sequence(record)
  message.delayed_member = delayed_member(sequence, priority, message.id)
  return sequence ~= message.sequence
    or not call('ZSCORE', queue_key(message.queue, READY), sequence .. message.id)
    and not call('ZSCORE', queue_key(message.queue, DELAYED), message.delayed_member)
end

-- Everything is looked at before anything is written.
for _, letter in ipairs(letters) do
  if is_letter_changed(letter) then return -1 end
end
for _, message in ipairs(waiting) do
  if is_message_changed(message) then return -1 end
end
for _, group in ipairs(open_groups) do
  local wrong = type_error('HLEN', group.key)
  if wrong then return wrong end
  if call('HGET', group.key, 'done') == '1' then return -1 end
end
for _, group in ipairs(reopened_groups) do
  local wrong = type_error('HLEN', group.key) or type_error('HLEN', group.followups_key)
  if wrong then return wrong end
  if call('HLEN', group.key) > 0 and call('HGET', group.key, 'done') ~= '1' then return -1 end
end

local unique, waiting_ids, is_posted, letter_of = load_unique_keys(), {}, {}, {}
local wrong = records_type_error()
if wrong then return wrong end
for i, message in ipairs(waiting) do waiting_ids[i] = message.id end
unique.learn_queues(waiting_ids)
wrong = learned_queue_error()
if wrong then return wrong end

allow_when_memory_is_full()
local count = 0

local function take_letter(letter)
  call('ZREM', queue_key(letter.queue, DEAD), letter.id)
  call('HDEL', LETTERS, letter.id)
  if letter.is_asked_for then count = count + 1 end
end

for _, post in ipairs(posts) do is_posted[post.id] = true end
for _, letter in ipairs(letters) do
  letter_of[letter.id] = letter
  if not is_gone[letter.id] and not is_posted[letter.id] then take_letter(letter) end
end
for _, message in ipairs(waiting) do
  call('ZREM', queue_key(message.queue, READY), message.sequence .. message.id)
  call('ZREM', queue_key(message.queue, DELAYED), message.delayed_member)
  call('HDEL', MESSAGES, message.id)
  call('HDEL', DELIVERY_NOTES, message.id)
  remove_cancel_marks(nil, {message.id})
end
unique.free(waiting_ids)
for _, group in ipairs(open_groups) do call_in_chunks('HDEL', group.key, group.removed_members) end
for _, group in ipairs(reopened_groups) do
  call('DEL', group.key)
  call_in_chunks('HSET', group.key, group.values)
  call('DEL', group.followups_key)
  keep_followups(group.followups_key, group.first_followup, group.followup_count, group.ttl)
  call('PEXPIRE', group.key, group.ttl)
end
-- The letter of a message whose unique key another message holds stays.
for _, post in ipairs(posts) do
  if not is_gone[post.id] and (post.unique_key == '' or unique.renew(post.id, post.unique_key)) then
    if letter_of[post.id] then take_letter(letter_of[post.id]) end
    unique.place(post)
  end
end
flush_queues()
wake_waiting_workers()
return count
