"""What a CurlTransport may be told, and how libcurl is told the same for every request."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import certifi
import pycurl

AllowAddress: TypeAlias = Callable[[str, int], bool]
"""Says whether a connection to this IP address and port may be opened. It is called from the
event loop, and an exception in it counts as no."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurlOptions:
    """How requests are carried. Times are in seconds, sizes in bytes."""

    user_agent: str
    """Sent where a request has no User-Agent of its own."""
    ca_file: str = field(default_factory=certifi.where)
    """The certificates that servers are checked against, as a PEM file."""
    max_connections: int = 1024
    """Also the number of requests in flight: what is more waits, and its timeout with it.

    A request that waits here is one that its sender holds to be on its way: if the process dies,
    it is in doubt although nothing of it has left. The default is above every limit of requests in
    flight that a provider may have. A connection takes a file descriptor once it is used and not
    before, and there are fewer where the process may not open as many."""
    max_response_bytes: int = 1 << 20
    """Of a longer body the start is kept; the rest is not even read, and its connection closed."""
    connect_timeout: float = 10.0
    """For resolving, connecting and TLS together; a request's own timeout may be shorter."""
    idle_connection_age: float = 30.0
    """A connection unused for longer is not used again: servers close idle ones without notice,
    often after 60 seconds, and a request that meets this closing is in doubt."""
    drain_timeout: float = 30.0
    """How long `close` waits for the requests in flight."""
    allow_address: AllowAddress | None = None
    """None allows every address."""
    proxy: str = ""
    """The URL of an HTTP proxy. Empty means none, whatever the environment says. The proxy's
    address, and not the ESP's, is then what `allow_address` is asked about."""

    def __post_init__(self) -> None:
        if self.max_connections < 1:
            raise ValueError("max_connections is at least 1: nothing could be sent")


def configure(curl: pycurl.Curl, options: CurlOptions) -> None:
    """Set what is the same for every request that this handle will carry."""
    # Signals cannot be used off the main thread.
    curl.setopt(pycurl.NOSIGNAL, 1)
    curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    # With HTTP/2 one lost connection would put every request on it in doubt, and libcurl repeats
    # refused streams by itself; with 1.1 a connection carries one request at a time.
    curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
    curl.setopt(pycurl.FOLLOWLOCATION, 0)
    # Neither HTTP_PROXY nor NO_PROXY of the environment counts.
    curl.setopt(pycurl.PROXY, options.proxy)
    curl.setopt(pycurl.NOPROXY, "")
    curl.setopt(pycurl.CAINFO, options.ca_file)
    curl.setopt(pycurl.SSL_VERIFYPEER, 1)
    curl.setopt(pycurl.SSL_VERIFYHOST, 2)
    curl.setopt(pycurl.USERAGENT, options.user_agent)
    # The endpoint goes out as it was configured, `/../` included.
    curl.setopt(pycurl.PATH_AS_IS, 1)
    curl.setopt(pycurl.TCP_NODELAY, 1)
    curl.setopt(pycurl.TCP_KEEPALIVE, 1)
    curl.setopt(pycurl.MAXAGE_CONN, max(1, round(options.idle_connection_age)))
