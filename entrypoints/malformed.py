"""Requests that cannot be read: cut off, no UTF-8, or made with the .proto of something else.

gRPC by itself answers these with UNKNOWN and the name of a Python class, and writes a traceback for
each, so that anybody could fill the log. Here reading never fails: what cannot be read arrives as
UNREADABLE, and ends the call as every other fault of a request does.
"""

from collections.abc import AsyncIterator, Callable
from enum import Enum
from typing import Any, Final, TypeAlias

from google.protobuf.message import DecodeError

from domain.errors import EspalierError

Deserialize: TypeAlias = Callable[[bytes], Any]


class MalformedRequest(EspalierError):
    """What arrived is no message of the type that the method takes."""

    reason = "MALFORMED_REQUEST"

    def __init__(self, method: str) -> None:
        super().__init__(
            f"the request is no message that {method} takes; "
            "make the client from the .proto files of this service"
        )


class _Mark(Enum):
    UNREADABLE = "UNREADABLE"


UNREADABLE: Final = _Mark.UNREADABLE


def lenient(deserialize: Deserialize | None) -> Deserialize | None:
    """Gives UNREADABLE where `deserialize` fails; None, which takes bytes as they are, stays."""
    if deserialize is None:
        return None

    def read(request: bytes) -> Any:
        try:
            return deserialize(request)
        except DecodeError:
            return UNREADABLE

    return read


def readable(request: Any, method: str) -> Any:
    """The request. Raises MalformedRequest."""
    if request is UNREADABLE:
        raise MalformedRequest(method)
    return request


class ReadableRequests:
    """A stream of requests, which raises MalformedRequest in the place of one without meaning."""

    def __init__(self, requests: AsyncIterator[Any], method: str) -> None:
        self._requests = requests
        self._method = method

    def __aiter__(self) -> "ReadableRequests":
        return self

    async def __anext__(self) -> Any:
        return readable(await anext(self._requests), self._method)
