-- One turn of a worker: applies its commits, makes ready what is due, renews its lease, claims more.
--
-- Its phases are in turn/, a file each, and run in this order before this one: the arguments, the memory of the worker, the replay of a turn whose
-- reply was lost, the fence, the commits, the claim, the memory of this turn. docs/redis-scripts.md lists its keys, arguments and reply.

wake_waiting_workers()
wake_for_due_marks()
return {
  now_ms, token, math.max(0, next_due - now_ms), stale_ids, expired, claims, moved_letters, cancelled_ids, latest_turn, has_due_marks,
}
