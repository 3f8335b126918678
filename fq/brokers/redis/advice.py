"""`advice`: what to do about an error of the server, or of the way to it, in a few words. Pure."""

ADVICE = {
    "used memory >": "the server's memory is full: let workers drain it, or raise maxmemory",
    "WRONGTYPE": "something else writes to these keys: give fq a namespace of its own",
    "MISCONF": "the server cannot save to its disk: make room there",
    "unknown command": "fq needs Redis 6.2 or Valkey 7.2, or later",
    "read only replica": "this is a replica: name its master, or use redis+sentinel://",
    "loading the dataset": "it is still reading its data after a start: wait for it",
    "as reply type byte": "something else than Redis answers there: check host and port",
    "slot not served": "a node of the cluster is missing: see CLUSTER NODES",
}
"""What to do about an error whose text has these words."""


def advice(error: Exception, otherwise: str = "start it, or check the URL") -> str:
    """Return what to do about *error*."""
    return next((text for words, text in ADVICE.items() if words in str(error)), otherwise)
