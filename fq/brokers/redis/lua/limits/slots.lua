-- What is kept of the slots of a key:
--
-- SLOTS     zset: who holds a slot, by when it lapses
-- FACTS     hash: for each of them "<token> <since>"; under "" for how long slots are held lately, and
--           since when that is learnt: "<hold> <known>"; under \0<owner> the member of WAITING that is an owner's
-- WAITING   zset: who waits, "<turn, 16 digits><owner>" by its priority: so members are in the order of (priority, turn)
-- RETURNS   zset: the owners that wait, by when they will ask again
--
-- Earlier releases kept who waits in line and backs, without priorities.

local SLOTS, FACTS, WAITING, RETURNS = unpack(KEYS)
local TURN = 16
local REMEMBERED = 86400000

local lapsed = call('ZRANGEBYSCORE', SLOTS, '-inf', whole(now))
for _, holder in ipairs(lapsed) do
  call('ZREM', SLOTS, holder)
  call('HDEL', FACTS, holder)
end

-- The token of *holder*, and since when it holds its slot; with "", how long slots are held, and since when that is learnt.
local function facts(holder)
  local text = call('HGET', FACTS, holder)
  if not text then return nil end
  local token, since = string.match(text, '^(%S+) (%S+)$')
  return token, tonumber(since)
end

-- Lets FACTS live for *ttl* ms more, and who waits for as long: else what FACTS has of an owner that never came back would outlive its place in RETURNS,
-- by which it is found and forgotten.
local function keep_facts(ttl)
  keep(FACTS, ttl)
  if call('EXISTS', RETURNS) == 1 then
    local left = call('PTTL', FACTS)
    keep(WAITING, left)
    keep(RETURNS, left)
  end
end
