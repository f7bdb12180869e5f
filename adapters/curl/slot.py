"""One of libcurl's handles, used again and again, and the exchange that it carries just now."""

import pycurl

from adapters.curl.exchange import Exchange, header_lines, read_headers
from adapters.curl.hasty import HastyServers
from adapters.curl.options import CurlOptions, configure
from adapters.curl.reasons import Failure, explain
from adapters.curl.watch import SocketWatch
from domain.http import AnswerLost, HttpResponse, Landed, NotSent, TransportBroken

_FIRST_FINAL_STATUS = 200
# As much as every idle handle may hold on to.
_SMALL_BODY_BYTES = 16 * 1024
# As much of a body as libcurl sends before it turns to other requests.
_AT_ONCE_BYTES = 256 * 1024


class Slot:
    """Carries one exchange at a time.

    libcurl repeats a request by itself, on a fresh connection, when a kept one ends before a byte
    of the answer. The server may have acted on the first copy, so a second must never leave: the
    hook that libcurl calls before it issues a request counts, and refuses to be called twice. The
    same count is what separates NotSent from AnswerLost: whatever went wrong before the first
    call, no byte of the request had left.

    A kept connection that has ended, as the watch says of its local port, is not used: then the
    first call is refused as well, and the exchange begins again on a fresh connection. To servers
    that are `hasty` to end connections every request has one of its own.
    """

    def __init__(self, options: CurlOptions, watch: SocketWatch, hasty: HastyServers) -> None:
        self._carried: Exchange | None = None
        self.curl = pycurl.Curl()
        self._options = options
        self._watch = watch
        self._hasty = hasty
        self._stale = False
        self._fresh = False
        self._issued = 0
        self._uploaded = 0
        self._port = 0
        self._refused_address: str | None = None
        self._head: list[bytes] = []
        self._body: list[bytes] = []
        self._room = 0
        self._timeout_seconds = 0.0
        self._url = ""
        configure(self.curl, options)
        self.curl.setopt(pycurl.UPLOAD_BUFFERSIZE, _AT_ONCE_BYTES)
        self.curl.setopt(pycurl.PREREQFUNCTION, self._before_issuing)
        self.curl.setopt(pycurl.HEADERFUNCTION, self._head.append)
        self.curl.setopt(pycurl.WRITEFUNCTION, self._on_body)
        self.curl.setopt(pycurl.OPENSOCKETFUNCTION, self._on_connect)

    def load(self, exchange: Exchange) -> None:
        """Make the handle ready for this exchange; the caller adds it to libcurl's multi handle.

        Raises whatever libcurl says against the request; the handle is not to be used again then.
        """
        self._carried = exchange
        self._issued = 0
        self._refused_address = None
        self._head.clear()
        self._body.clear()
        self._room = self._options.max_response_bytes
        request, curl = exchange.request, self.curl
        if request.url != self._url:
            curl.setopt(pycurl.URL, request.url)
            self._url = request.url
        curl.setopt(pycurl.HTTPHEADER, header_lines(request))
        if request.method == "GET":
            curl.setopt(pycurl.HTTPGET, 1)
        else:
            curl.setopt(pycurl.POSTFIELDS, request.body or b"")
        if self._hasty and request.server in self._hasty:
            self._use_fresh_connection()
            curl.setopt(pycurl.FORBID_REUSE, 1)
        if exchange.timeout_seconds != self._timeout_seconds:
            self._set_timeout(exchange.timeout_seconds)

    @property
    def is_long(self) -> bool:
        """Whether more than one look at libcurl is needed to send the body."""
        return len(self._exchange().request.body or b"") > _AT_ONCE_BYTES

    def has_sent_more(self) -> bool:
        """Whether some of the body has been sent since this was last asked."""
        before = self._uploaded
        self._uploaded = self.curl.getinfo(pycurl.SIZE_UPLOAD_T)
        return self._uploaded != before

    def renew(self) -> bool:
        """Make the handle ready to begin again, if only its connection's end kept it from issuing.

        Nothing has left in that case, and it happens once: a fresh connection is not asked about.
        """
        if not self._stale:
            return False
        self._stale = False
        self._use_fresh_connection()
        return True

    def unload(self, code: int, message: str) -> tuple[Exchange, Landed]:
        """The exchange and what came of it, by libcurl's result code (0 is success)."""
        exchange = self._exchange()
        outcome = self._outcome(exchange, code, message)
        if self._issued > 1:
            self._hasty.add(exchange.request.server)
        if self._fresh:
            self._fresh = False
            self.curl.setopt(pycurl.FRESH_CONNECT, 0)
            self.curl.setopt(pycurl.FORBID_REUSE, 0)
        if len(exchange.request.body or b"") > _SMALL_BODY_BYTES:
            # The handle would keep it alive until its next use.
            self.curl.setopt(pycurl.POSTFIELDS, b"")
        self._carried = None
        self._watch.end(self._port, self)
        return exchange, outcome

    def abandon(self, end: NotSent | TransportBroken) -> tuple[Exchange, Landed]:
        """The exchange that ends here because the transport does, as `end` says."""
        return self._exchange(), AnswerLost(str(end)) if self._issued else end

    def _exchange(self) -> Exchange:
        assert self._carried is not None  # noqa: S101 - the worker asks only for what it loaded.
        return self._carried

    def _outcome(self, exchange: Exchange, code: int, message: str) -> Landed:
        status: int = self.curl.getinfo(pycurl.RESPONSE_CODE)
        truncated = code == pycurl.E_WRITE_ERROR and self._room < 0
        # libcurl says success, too, where it could not repeat a request that got no answer.
        if (code == pycurl.E_OK or truncated) and self._head and status >= _FIRST_FINAL_STATUS:
            headers = read_headers(self._head)
            if headers is not None:
                return HttpResponse(
                    status=status,
                    headers=headers,
                    body=b"".join(self._body),
                    truncated=truncated,
                    elapsed_seconds=self.curl.getinfo(pycurl.TOTAL_TIME),
                )
        return explain(
            Failure(
                server=exchange.request.server,
                code=code,
                message=message,
                issued=self._issued,
                sent_bytes=self.curl.getinfo(pycurl.REQUEST_SIZE),
                timeout_seconds=exchange.timeout_seconds,
                os_errno=self.curl.getinfo(pycurl.OS_ERRNO),
                status=status,
                refused_address=self._refused_address,
            )
        )

    def _use_fresh_connection(self) -> None:
        self._fresh = True
        self.curl.setopt(pycurl.FRESH_CONNECT, 1)

    def _set_timeout(self, seconds: float) -> None:
        self._timeout_seconds = seconds
        # To libcurl 0 means for ever.
        whole = max(1, round(seconds * 1000))
        connect = max(1, round(self._options.connect_timeout * 1000))
        self.curl.setopt(pycurl.TIMEOUT_MS, whole)
        self.curl.setopt(pycurl.CONNECTTIMEOUT_MS, min(whole, connect))

    def _before_issuing(self, _ip: str, _local_ip: str, _port: int, local_port: int) -> int:
        if not self._issued and not self._watch.begin(local_port, self) and not self._fresh:
            self._stale = True
            return pycurl.PREREQFUNC_ABORT
        self._issued += 1
        self._port = local_port
        return pycurl.PREREQFUNC_OK if self._issued == 1 else pycurl.PREREQFUNC_ABORT

    def _on_body(self, chunk: bytes) -> int | None:
        if len(chunk) <= self._room:
            self._room -= len(chunk)
            self._body.append(chunk)
            return None
        self._body.append(chunk[: self._room])
        self._room = -1
        return 0  # Fewer bytes than there were: libcurl ends the transfer and the connection.

    def _on_connect(self, _purpose: int, address: pycurl.CurlSockAddr) -> int:
        ip, port = str(address.addr[0]), int(address.addr[1])
        if not self._is_allowed(ip, port):
            self._refused_address = f"{ip}:{port}"
            return pycurl.SOCKET_BAD
        return self._watch.open(address.family, address.socktype, address.protocol)

    def _is_allowed(self, ip: str, port: int) -> bool:
        allow = self._options.allow_address
        try:
            return allow is None or allow(ip, port)
        except Exception:  # noqa: BLE001 - a guard that fails must not let anything through.
            return False
