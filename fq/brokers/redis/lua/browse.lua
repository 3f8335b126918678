-- Looks at some messages of one queue, from one place on, in the order of their state. Returns those that fit: score, member, id, record or letter, and of a
-- message its deliveries before and its latest fault; then the last place that it has looked at, score and member, whether that is the last of all, and the
-- scores and members of all that it has looked at.
--
-- What is due and no turn has made ready yet is ready. The first MAX_MERGED of it have the place that a turn would give them; the state 'due' is the rest, in
-- the order of its time. Whether 'ready' is at its end is 2 if there is such a rest.

local MAX_MERGED = 1000

local state, score, member = next_text(), next_text(), next_text() -- it goes on after that place; '' is the beginning

-- Returns the rank of the first that comes after the place in *key*, or of the place itself if *or_there*.
local function rank_after(key, or_there)
  local low = call('ZCOUNT', key, '-inf', '(' .. score)
  local high = low + call('ZCOUNT', key, score, score)
  while low < high do
    local middle = math.floor((low + high) / 2)
    local found = call('ZRANGE', key, middle, middle)[1]
    if is_less(found, member) or found == member and not or_there then low = middle + 1 else high = middle end
  end
  return low
end

-- Returns the places of up to one more than may be looked at: from the rank *first*, up to the rank *last*.
local function places_in(key, first, last, is_latest_first, id_of)
  local found = {}
  if is_latest_first then
    if score ~= '' then last = rank_after(key, true) - 1 end
    first = math.max(first, last - look_limit)
  else
    if score ~= '' then first = math.max(first, rank_after(key, false)) end
    last = math.min(last, first + look_limit)
  end
  if last < first then return found end
  local pairs_found = call('ZRANGE', key, first, last, 'WITHSCORES')
  for i = 1, #pairs_found, 2 do
    found[is_latest_first and (#pairs_found - i + 1) / 2 or (i + 1) / 2] = {id_of(pairs_found[i]), pairs_found[i + 1], pairs_found[i]}
  end
  return found
end

local function fit_of_letter(letter)
  local _, fault_type, _, record = parse_letter(letter)
  return record and queue_of_record(record) == queue_name(1) and fits(record, fault_type) and {letter, '', ''}
end

local function id_of_ready(found) return sub(found, SEQUENCE_DIGITS + 1) end

local function id_of_delayed(found) return sub(found, (find(found, '\0', SEQUENCE_DIGITS + 1, true) or SEQUENCE_DIGITS) + 1) end

local function is_before(a, b)
  local x, y = tonumber(a[2]), tonumber(b[2])
  if x ~= y then return x < y end
  return is_less(a[3], b[3])
end

-- Adds to *places* what is due, with the place that a turn would give it, if that comes after the place where the script begins. Returns them in order.
local function with_due(places)
  local begin, count = {nil, score, member}, #places
  for _, found in ipairs(call('ZRANGEBYSCORE', queue_key(1, DELAYED), '-inf', now_ms, 'LIMIT', 0, MAX_MERGED)) do
    local priority, id = string.match(found, '^(%-?%d+)%z(.*)$', SEQUENCE_DIGITS + 1)
    local place = id and {id, priority, sub(found, 1, SEQUENCE_DIGITS) .. id}
    if place and (score == '' or is_before(begin, place)) then places[#places + 1] = place end
  end
  if #places > count then table.sort(places, is_before) end
  for i = #places, look_limit + 2, -1 do places[i] = nil end
  return places
end

if state == 'dead' then
  local key = queue_key(1, DEAD)
  local first = call('ZCOUNT', key, '-inf', format('%.0f', now_us))
  return look_at(places_in(key, first, call('ZCARD', key) - 1, true, function(id) return id end), {LETTERS}, fit_of_letter)
end
local hashes = {MESSAGES, DELIVERY_NOTES}
local due_count = call('ZCOUNT', queue_key(1, DELAYED), '-inf', now_ms)
if state == 'due' then
  return look_at(places_in(queue_key(1, DELAYED), MAX_MERGED, due_count - 1, false, id_of_delayed), hashes, fit_of_message)
elseif state == 'delayed' then
  local last = call('ZCARD', queue_key(1, DELAYED)) - 1
  return look_at(places_in(queue_key(1, DELAYED), due_count, last, false, id_of_delayed), hashes, fit_of_message)
end
local places = places_in(queue_key(1, READY), 0, call('ZCARD', queue_key(1, READY)) - 1, false, id_of_ready)
local reply = look_at(due_count == 0 and places or with_due(places), hashes, fit_of_message)
if reply[4] == 1 and due_count > MAX_MERGED then reply[4] = 2 end
return reply
