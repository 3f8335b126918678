-- A turn whose reply was lost is answered once more: with what it claimed, as far as that is still claimed, and with what is remembered of it.

if memory.turn == header.number then
  for queue = 1, header.queue_count do
    local fields, ids, members, entries = call('HGETALL', queue_key(queue, CLAIMED)), {}, {}, {}
    for i = 1, #fields, 2 do
      if fields[i + 1] == memory.token then ids[#ids + 1] = fields[i] end
    end
    if #ids > 0 then
      for i, record in ipairs(call('HMGET', MESSAGES, unpack(ids))) do
        local priority, sequence = priority_and_sequence(record or sequence_at(0) .. '\0')
        entries[i] = {tonumber(priority) or 0, sequence .. ids[i], ids[i]}
      end
      table.sort(entries, function(a, b) return a[1] < b[1] or a[1] == b[1] and a[2] < b[2] end)
      for i, entry in ipairs(entries) do members[i], ids[i] = entry[2], entry[3] end
      append_claim(queue, ids, members)
    end
  end
  tell_handed()
  local moved = memory.moved_letters or {}
  return {now_ms, tonumber(memory.token), 0, memory.stale_ids, {}, claims, moved, memory.cancelled_ids, memory.turn, (due_marks())}
end

-- The worker remembers another turn than this server as its latest. Either the server has lost what the worker did: it is another one now, or has
-- read an older state from its disk, and what it takes for claimed may have been committed. Or the network has delivered a turn late, which the
-- worker has repeated or given up, and what that claimed has no other reply. Or this is such a turn. The worker finds out. Turns of a process that
-- had this name before are numbered otherwise.
if memory_text and memory.turn ~= header.known_turn and string.match(memory.turn, '^.*%.') == string.match(header.number, '^.*%.') then
  return {now_ms, memory.turn}
end
