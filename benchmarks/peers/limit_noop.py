"""
The upper limit: redis-py and the server with messages of the same size, but without a queue around them.

Messages wait in a list. One script per batch deletes finished messages and leases the next ones:
it moves them to a hash, where they would survive the worker.
"""

import os
import sys
import time

import redis
from measured import Producer

BATCH = 256
BODY = (
    b'{"message_id":"0190c1d2-aaaa-7bbb-8ccc-ddddeeeeffff","actor_name":"noop","queue_name":"default","args":[],"kwargs":{},'
    b'"options":{},"message_timestamp":1700000000000,"priority":0}'
)
TURN = """
if #ARGV > 1 then redis.call('HDEL', KEYS[2], unpack(ARGV, 2)) end
local batch = redis.call('LPOP', KEYS[1], ARGV[1])
if not batch then return {} end
local leased = {}
for i, message in ipairs(batch) do
  leased[2 * i - 1], leased[2 * i] = string.sub(message, 1, 36), message
end
redis.call('HSET', KEYS[2], unpack(leased))
return batch
"""
client = redis.Redis.from_url(os.environ["BENCH_URL"])


def many(_: str, count: int) -> None:
    for at in range(0, count, 1_000):
        client.rpush("limit:ready", *(f"{n:036d}".encode() + BODY for n in range(at, min(at + 1_000, count))))


def send(_: str) -> None:
    client.rpush("limit:ready", BODY)


def work() -> None:
    turn = client.register_script(TURN)
    done: list[bytes] = []
    while True:
        batch = turn(keys=("limit:ready", "limit:leased"), args=(BATCH, *done))
        if not batch and not done:
            time.sleep(0.01)
        done = [message[:36] for message in batch]


if __name__ == "__main__":
    work() if sys.argv[1] == "work" else Producer(send, many=many, packages=("redis", "hiredis")).main()
