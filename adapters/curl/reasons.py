"""Why a request has no answer: one decision, NotSent or AnswerLost, and a sentence for people.

The decision rests on one fact alone, whether libcurl had begun to issue the request, and not on
its error codes: "could not connect" can mean the second connection, after the first one had taken
the request and died. One code is looked at: where libcurl finds the head of a request too large, it
has begun to issue it and not sent a byte. The same code may speak of the head of the answer, so
that libcurl's count of what it sent has to agree.

Sentences are made here from codes and the server's name, since libcurl's own may quote what a
server sent; those about TLS are the exception, for nobody could do without them.
"""

import os
from dataclasses import dataclass

import pycurl

from domain.http import AnswerLost, HttpRequest, NotSent, TransportError


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What is known of a transfer that brought no answer.

    `issued` counts how often libcurl was about to send it, the time that it was refused included,
    and `sent_bytes` what of it libcurl knows to have left. `status` is 0 where no status line came.
    `code` and `message` are libcurl's.
    """

    server: str
    code: int
    message: str
    issued: int
    sent_bytes: int
    timeout_seconds: float
    os_errno: int
    status: int
    refused_address: str | None


# CURLE_WEIRD_SERVER_REPLY and CURLE_TOO_LARGE, which PycURL has no names for.
_WEIRD_SERVER_REPLY = 8
_TOO_LARGE = 100
_TLS_CODES = frozenset(
    {
        pycurl.E_SSL_CONNECT_ERROR,
        pycurl.E_PEER_FAILED_VERIFICATION,
        pycurl.E_SSL_CACERT_BADFILE,
        pycurl.E_SSL_CERTPROBLEM,
        pycurl.E_SSL_CIPHER,
        pycurl.E_SSL_ISSUER_ERROR,
        pycurl.E_SSL_INVALIDCERTSTATUS,
    }
)


def explain(failure: Failure) -> TransportError:
    if failure.issued == 0:
        return NotSent(_why_not_sent(failure))
    if failure.code == _TOO_LARGE and failure.issued == 1 and failure.sent_bytes == 0:
        return NotSent(
            f"the URL and headers of the request to {failure.server} are more than libcurl sends; "
            "shorten the values in them"
        )
    return AnswerLost(_why_lost(failure))


def not_begun(request: HttpRequest, error: Exception) -> NotSent:
    """For a request that libcurl does not even take. No text of `error`: it may quote a secret."""
    cause = type(error).__name__
    if isinstance(error, pycurl.error):
        cause = f"libcurl's error {error.args[0]}; its URL has {len(request.url):,} characters"
    return NotSent(f"the request to {request.server} could not be begun: {cause}")


def _why_not_sent(failure: Failure) -> str:
    server = failure.server
    if failure.refused_address is not None:
        return f"{server} has the address {failure.refused_address}, which is not allowed here"
    if failure.code == pycurl.E_OPERATION_TIMEDOUT:
        return f"could not connect to {server} in time"
    if failure.code in (pycurl.E_COULDNT_RESOLVE_HOST, pycurl.E_COULDNT_RESOLVE_PROXY):
        return f"could not find the address of {server}; check the name and this machine's DNS"
    if failure.code in _TLS_CODES:
        return f"no TLS connection to {server}: {failure.message}"
    return f"could not connect to {server}: {_cause(failure)}"


def _why_lost(failure: Failure) -> str:
    server = failure.server
    if failure.issued > 1:
        return f"{server} ended the connection without an answer"
    if failure.code == pycurl.E_OPERATION_TIMEDOUT:
        return f"no complete answer from {server} within {failure.timeout_seconds:g} s"
    # What is below is an interim answer, which says nothing yet.
    if failure.code == pycurl.E_GOT_NOTHING and failure.status < 200:
        return f"{server} ended the connection without an answer"
    if failure.code in (pycurl.E_UNSUPPORTED_PROTOCOL, _WEIRD_SERVER_REPLY):
        return f"{server} answered with something that is not HTTP"
    if failure.status >= 200:
        return f"{server} answered {failure.status} and broke off: {_cause(failure)}"
    return f"lost the connection to {server}: {_cause(failure)}"


def _cause(failure: Failure) -> str:
    if failure.code in (pycurl.E_OK, pycurl.E_PARTIAL_FILE, pycurl.E_GOT_NOTHING):
        return "the answer is not complete"
    if failure.os_errno:
        return os.strerror(failure.os_errno)
    return f"libcurl's error {failure.code}"
