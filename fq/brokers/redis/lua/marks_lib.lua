-- Marks: small named records with an end. Few scripts need them, so the functions are made on first use.
--
-- MARKS   by key: <until, ms, 0 for ever>\0<index, '' for none>\0<order>\0<body>
-- LISTED  what indexes list, all with one score: <index>\0<order, 16 digits>\0<key>, so that each index is a range, in the order of its marks
-- ENDS    see unique_lib.lua

local DUE = 'due' -- the index of marks whose order is a time, ms
local has_listed, earliest_mark = false, math.huge
local mark_functions

local function range_of(index) return '[' .. index .. '\0', '(' .. index .. '\1' end

-- Returns the time of the first mark of DUE that is later than *after*, ms; nothing if there is none.
local function next_due_mark(after)
  local _, last = range_of(DUE)
  local member = call('ZRANGEBYLEX', LISTED, '[' .. DUE .. '\0' .. format('%016.0f', after + 1), last, 'LIMIT', 0, 1)[1]
  return member and tonumber(sub(member, #DUE + 2, #DUE + 17))
end

-- Returns 1 if a mark of DUE is due, else 0, and when the next one will be. One that is due already keeps no worker from waiting.
local function due_marks()
  if not has_listed then return 0, math.huge end
  local first = next_due_mark(-1)
  if not first or first > now_ms then return 0, first or math.huge end
  return 1, next_due_mark(now_ms) or math.huge
end

-- Wakes workers, whatever they wait for, if a mark has been set that is the next of DUE, or is due.
local function wake_for_due_marks()
  if earliest_mark == math.huge or earliest_mark > now_ms and earliest_mark > (next_due_mark(now_ms) or 0) then return end
  for _, member in ipairs(call('ZRANGE', WAITING, 0, 31)) do
    call('ZREM', WAITING, member)
    call('PUBLISH', string.match(member, '%z(.*)$') or '', MESSAGES)
  end
end

local function load_marks()
  if mark_functions then return mark_functions end
  local unique = load_unique_keys()

  local function parse_mark(text)
    local until_ms, index, order, body = string.match(text or '', '^(%d+)%z([^%z]*)%z(%d+)%z(.*)$')
    return until_ms and {until_ms = tonumber(until_ms), index = index, order = tonumber(order), body = body}
  end

  local function has_ended(mark) return mark.until_ms > 0 and mark.until_ms <= now_ms end

  local function member_of(key, mark) return mark.index .. '\0' .. format('%016.0f', mark.order) .. '\0' .. key end

  local function remove(key, mark)
    call('HDEL', MARKS, key)
    if mark.until_ms > 0 then call('ZREM', ENDS, 'm' .. key) end
    if mark.index ~= '' then call('ZREM', LISTED, member_of(key, mark)) end
  end

  local function read_mark(key) return parse_mark(call('HGET', MARKS, key)) end

  -- Lets an index lose its lowest marks, beyond *most*.
  local function trim(index, most)
    local surplus = call('ZLEXCOUNT', LISTED, range_of(index)) - most
    while surplus > 0 do
      local first, last = range_of(index)
      local members = call('ZRANGEBYLEX', LISTED, first, last, 'LIMIT', 0, math.min(surplus, 1000))
      for _, member in ipairs(members) do
        local key = sub(member, #index + 19)
        local mark = read_mark(key)
        if mark then remove(key, mark) end
      end
      call('ZREM', LISTED, unpack(members))
      surplus = surplus - #members
    end
  end

  local function keep(op)
    local until_ms = op.ttl_ms > 0 and now_ms + op.ttl_ms or 0
    call('HSET', MARKS, op.key, concat({format('%.0f', until_ms), op.index, format('%.0f', op.order), op.body}, '\0'))
    if until_ms > 0 then note_end(format('%.0f', until_ms), 'm' .. op.key) end
    if op.index == '' then return end
    call('ZADD', LISTED, 0, member_of(op.key, op))
    has_listed = true
    if op.index == DUE then earliest_mark = math.min(earliest_mark, op.order) end
    if op.most > 0 then trim(op.index, op.most) end
  end

  local function is_as_expected(op, mark)
    if op.expects == 'anything' then return true end
    local body = mark and not has_ended(mark) and mark.body
    if op.expects == 'absent' then return not body end
    return body == op.expected
  end

  mark_functions = {parse_mark = parse_mark, has_ended = has_ended}

  function mark_functions.next_op()
    local op = {key = next_text()}
    op.is_set, op.body, op.ttl_ms = next_flag(), next_text(), next_number()
    op.expects, op.expected = next_text(), next_text() -- 'anything', 'absent', or 'body' and which
    op.index, op.order, op.most = next_text(), next_number(), next_number()
    op.followups = {}
    for i = 1, next_number() do op.followups[i] = unique.next_post() end
    return op
  end

  -- Carries out *op* if its mark is as it expects; returns whether it is.
  function mark_functions.set(op)
    local mark = read_mark(op.key)
    if not is_as_expected(op, mark) then return false end
    if mark then remove(op.key, mark) end
    if op.is_set then keep(op) end
    for _, post in ipairs(op.followups) do unique.place(post, false) end
    return true
  end

  -- Forgets up to *limit* of the marks and the windows of unique keys that have ended.
  function mark_functions.expire(limit)
    for _, member in ipairs(call('ZRANGEBYSCORE', ENDS, '-inf', now_ms, 'LIMIT', 0, limit)) do
      local key = sub(member, 2)
      call('ZREM', ENDS, member)
      if sub(member, 1, 1) == 'k' then
        unique.expire(key)
      else
        local mark = read_mark(key)
        if mark and has_ended(mark) then remove(key, mark) end
      end
    end
  end

  return mark_functions
end
