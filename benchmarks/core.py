"""The cost of the stack per message, without a broker."""

from functools import partial

from benchmarks.measure import microseconds, report
from fq import Message, Outcome, compose, default_middleware
from fq.execution.handler import sync_handler
from fq.wire.codec import decode, encode
from fq.wire.signature import Signature


def main() -> None:
    """Print the table."""

    def add(a: int, b: int) -> int:
        return a + b

    message = Message(message_id="0190c1d2-aaaa-7bbb-8ccc-ddddeeeeffff", actor_name="add", args=(1, 2), message_timestamp=1_700_000_000_000)
    outcome = Outcome.success(3)
    bare = microseconds(lambda: (lambda _: outcome)(message))
    stacked = default_middleware.wrap(lambda _: outcome)
    inner = sync_handler(add, Signature.of(add))
    body = encode(message)
    rows = [("default stack, sync, per message", f"{microseconds(lambda: stacked(message)) - bare:.2f} µs", "<= 6 µs")]
    for layer in default_middleware:
        handler = compose(layer).wrap(lambda _: outcome)
        rows.append((f"  {type(layer).__name__}", f"{microseconds(partial(handler, message)) - bare:.2f} µs", ""))
    rows.append(
        (
            "binding and calling add(1, 2), and making its outcome",
            f"{microseconds(lambda: inner(message)) - microseconds(lambda: add(1, 2)):.2f} µs",
            "",
        )
    )
    rows.append(("encode", f"{microseconds(lambda: encode(message)):.2f} µs", ""))
    rows.append(("decode", f"{microseconds(lambda: decode(body)):.2f} µs", ""))
    report("core", rows)
