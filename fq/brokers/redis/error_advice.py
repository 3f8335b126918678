"""`advice`: what to do about an error of the server, or of the way to it, in a few words. Pure."""

AUTHORITY = (
    "its certificate is not signed by an authority that this host knows: name that authority's certificate by ?ssl_ca_certs=/path/to/ca.pem"
)

ADVICE = {
    "certificate has expired": "renew the server's certificate",
    "certificate is not yet valid": "compare the clock of this host with the dates in the server's certificate",
    "mismatch, certificate is not valid for": "connect by a name that is in the server's certificate, or get a certificate for this name",
    "self-signed certificate": AUTHORITY,
    "self signed certificate": AUTHORITY,
    "unable to get": AUTHORITY,
    "CERTIFICATE_VERIFY_FAILED": "the server's certificate cannot be verified: check it, and ?ssl_ca_certs=",
    "certificate verify failed": "the server's certificate cannot be verified: check it, and ?ssl_ca_certs=",
    "certificate required": "the server wants a certificate from its clients: name it by ?ssl_certfile=/path/to/cert.pem&ssl_keyfile=/path/to/key.pem",
    "unknown ca": "the server does not know the authority that signed this client's certificate: see tls-ca-cert-file there",
    "WRONG_VERSION_NUMBER": "the server does not speak TLS on this port: use redis://, or the port with TLS",
    "wrong version number": "the server does not speak TLS on this port: use redis://, or the port with TLS",
    "used memory >": "the server's memory is full: let workers drain it, or raise maxmemory",
    "WRONGTYPE": "something else writes to these keys: give fq a namespace of its own",
    "MISCONF": "the server cannot save to its disk: free some space there",
    "unknown command": "fq needs Redis 6.2 or Valkey 7.2, or later",
    "read only replica": "this is a replica: name its master, or use redis+sentinel://",
    "loading the dataset": "it is still loading its data after a start: wait for it",
    "as reply type byte": "the answer is not from Redis: check host and port",
    "slot not served": "a node of the cluster is missing: see CLUSTER NODES",
}
"""What to do about an error whose text has these words."""


def advice(error: Exception, otherwise: str = "start it, or check the URL") -> str:
    """Return what to do about *error*."""
    return next((text for words, text in ADVICE.items() if words in str(error)), otherwise)
