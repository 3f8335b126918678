-- Looks at messages that a worker has claimed, in the order of the caller: see browse.lua. The score of a place is its token. The caller knows what is claimed,
-- and orders it: Lua takes ten times as long. What the worker does not hold any more is passed over.

local places = {}
while cursor <= #ARGV do
  local queue, id, token = next_number(), next_text(), next_text()
  places[#places + 1] = {call('HGET', queue_key(queue, CLAIMED), id) == token and id or PAD_FIELD, token, id}
end
return look_at(places, {MESSAGES, DELIVERY_NOTES}, fit_of_message)
