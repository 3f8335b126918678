-- Looks at messages, or dead letters, one after the other, and keeps those that fit.

local AT_ONCE = 50 -- bodies are read in parts, since few of them may fit
local MAX_BYTES = 500000 -- a script reads no more than about this; the caller goes on

local actor, error_type, must_have_failed, look_limit, limit = next_text(), next_text(), next_flag(), next_number(), next_number()

-- Is *a* less than *b*, byte by byte, as a sorted set orders its members? Lua compares texts as the language of the server does.
local function is_less(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

local function fits(record, fault_type)
  return (actor == '' or string.match(record, '^[^%z]*%z[^%z]*%z([^%z]*)') == actor)
    and (error_type == '' or fault_type == error_type)
    and (not must_have_failed or fault_type ~= '')
end

local function fit_of_message(record, note)
  local deliveries, _, fault = parse_delivery_note(note)
  local fault_type, fault_text = string.match(fault, '^([^%z]*)%z(.*)$')
  return fits(record, fault_type or '') and {record, deliveries, fault_text or ''}
end

-- Returns the ids of the places after *last*, some of them, and how many bytes the values of *hashes* have for them, of which *room* may be read.
local function next_ids(places, last, hashes, room)
  local ids, weight = {}, 0
  while #ids < AT_ONCE and last + #ids < math.min(#places, look_limit) and weight < room do
    local id = places[last + #ids + 1][1]
    for _, hash in ipairs(hashes) do weight = weight + call('HSTRLEN', hash, id) end
    ids[#ids + 1] = id
  end
  return ids, weight
end

-- Returns what *fit_of* says of the first of *places* that fit, each after its score, its member and its id; the last place that it has looked at, whether
-- that is the last of all, and the scores and members of all that it has looked at. A place is an id, a score and a member.
local function look_at(places, hashes, fit_of)
  local found, looked_at, last, room = {}, {}, 0, MAX_BYTES
  while last < math.min(#places, look_limit) and #found < limit and room > 0 do
    local ids, weight = next_ids(places, last, hashes, room)
    room = room - weight
    local values = {}
    for i, hash in ipairs(hashes) do values[i] = call('HMGET', hash, unpack(ids)) end
    for i, id in ipairs(ids) do
      if #found == limit then break end
      last = last + 1
      looked_at[last] = {places[last][2], places[last][3]}
      local fit = values[1][i] and fit_of(values[1][i], values[2] and values[2][i])
      if fit then found[#found + 1] = {places[last][2], places[last][3], id, unpack(fit)} end
    end
  end
  local place = places[last] or {'', '', ''}
  return {found, place[2], place[3], last == #places and 1 or 0, looked_at}
end
