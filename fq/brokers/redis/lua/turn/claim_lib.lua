-- Appends messages to the reply, as many as their bodies have room for.

local claims, claimed_count = {}, 0 -- for each queue its number, members, records, delivery notes, and a token if it is not that of the turn
local weight, weighs_bodies, is_full = 0, false, false

-- Appends to the reply what is claimed of one queue.
local function append_claim(queue, ids, members, records, own_token)
  local notes = has_delivery_notes and call('HMGET', DELIVERY_NOTES, unpack(ids)) or {}
  if has_cancelled then
    local marks = {}
    for i, id in ipairs(ids) do marks[i] = '\0' .. id end
    for i, mark in ipairs(call('ZMSCORE', CANCELLED, unpack(marks))) do
      local deliveries, _, fault = parse_delivery_note(notes[i])
      notes[i] = mark and delivery_note(deliveries, 'cancelled', fault) or notes[i] or ''
    end
  end
  claims[#claims + 1] = {queue, members, records or call('HMGET', MESSAGES, unpack(ids)), notes, own_token}
  claimed_count = claimed_count + #ids
end

local function body_size(record)
  if not record then return 0 end
  local _, head = find(record, '^[^%z]*%z[^%z]*%z[^%z]*%z', SEQUENCE_DIGITS + 1)
  return #record - (head or 0)
end

-- Appends to *records* as many of *found* as may be claimed. From the first call on bodies are weighed, and no longer whole records.
local function append_within_bytes(records, found)
  if not weighs_bodies then
    weighs_bodies, weight = true, 0
    for _, claim in ipairs(claims) do
      for _, record in ipairs(claim[3]) do weight = weight + body_size(record) end
    end
    for _, record in ipairs(records) do weight = weight + body_size(record) end
  end
  for _, record in ipairs(found) do
    weight = weight + body_size(record)
    is_full = weight > header.max_bytes and not (header.first_may_be_larger and claimed_count + #records == 0)
    if is_full then return end
    records[#records + 1] = record
  end
end

-- Returns the records of as many of *ids* as may be claimed. It reads few at first, and more the more of them are small. Whole records are
-- weighed as long as they come to no more than *max_bytes*, which is quicker.
local function read_records(ids)
  local records, count, step = {}, 0, 8
  while count < #ids and not is_full do
    local found = call('HMGET', MESSAGES, unpack(ids, count + 1, math.min(count + step, #ids)))
    local sum = weight
    for i = 1, #found do sum = sum + #(found[i] or '') end
    if weighs_bodies or sum > header.max_bytes then
      append_within_bytes(records, found)
    elseif count == 0 then
      records, weight = found, sum
    else
      for i = 1, #found do records[count + i] = found[i] end
      weight = sum
    end
    count, step = count + #found, 8 * step
  end
  return records
end
