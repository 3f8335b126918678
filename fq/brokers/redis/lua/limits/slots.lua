-- What is kept of the slots of a key:
--
-- SLOTS     zset: the owners of slots, by when these lapse
-- FACTS     hash: for each of them "<token> <since>"; under "" for how long slots are held lately, and
--           since when that is learnt: "<hold> <known>"; under \0<owner> the member of WAITING that is an owner's
-- WAITING   zset: the owners that wait, "<turn, 16 digits><owner>" by its priority: so members are in the order of (priority, turn)
-- RETURNS   zset: the owners that wait, by when they will ask again
--
-- Earlier releases kept the owners that wait in the keys line and backs, without priorities.

local SLOTS, FACTS, WAITING, RETURNS = unpack(KEYS)
local TURN_DIGITS = 16
local REMEMBERED_MS = 86400000

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

-- Lets FACTS live for *ttl* ms more, and WAITING and RETURNS for as long: an owner that never came back is found by RETURNS, and then forgotten in FACTS.
local function keep_facts(ttl)
  keep(FACTS, ttl)
  if call('EXISTS', RETURNS) == 1 then
    local left = call('PTTL', FACTS)
    keep(WAITING, left)
    keep(RETURNS, left)
  end
end
