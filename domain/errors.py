"""The errors that callers can tell apart, split by what a caller can do about them.

    EspalierError
    ├── InvalidRequest       correct the fields named and call again
    ├── NotFound             name something that exists
    ├── AlreadyExists        use another request id
    ├── Conflict             read again, then repeat the change
    ├── NotPossibleNow       bring the named thing into another state first
    └── TryLater             repeat the same call after a while

Each carries its facts as attributes; `entrypoints/errors.py` maps every class to a gRPC status and
no other place does. The text of an error is shown to callers: it never holds a secret, SQL or a
driver's message.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One fault of one field.

    `field` is the path as the caller wrote it (`headers[2].name`, `recipients[17].email`), `reason`
    an UPPER_SNAKE_CASE word for programs, `message` a sentence for people that names the way out.
    """

    field: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """Something that is allowed, and that a person would want to know of."""

    field: str
    reason: str
    message: str


class EspalierError(Exception):
    """Something that a caller of the service is told."""

    reason = "UNSPECIFIED"


class InvalidRequest(EspalierError):
    """The request breaks rules; all that it breaks are listed together.

    Of very many the first are listed; `more` is how many others were found.
    """

    reason = "INVALID_REQUEST"

    def __init__(self, violations: Sequence[Violation], *, more: int = 0) -> None:
        self.violations = tuple(violations)
        self.more = more
        told = [f"{v.field}: {v.message}" for v in self.violations]
        super().__init__("; ".join([*told, *([f"and {more:,} more"] if more else [])]))


class NotFound(EspalierError):
    """There is no such thing."""

    reason = "NOT_FOUND"

    def __init__(self, kind: str, name: str) -> None:
        self.kind = kind
        self.name = name
        super().__init__(f"there is no {kind} {name!r}")


class AlreadyExists(EspalierError):
    """The request id was used before, for another content."""

    reason = "REQUEST_ID_REUSED"

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        super().__init__(
            f"request_id {request_id!r} belongs to a campaign with other content; "
            "send the same content again, or choose a new request_id"
        )


class Conflict(EspalierError):
    """Somebody else changed the thing since the caller read it."""

    reason = "ETAG_MISMATCH"

    def __init__(self, kind: str, name: str) -> None:
        self.kind = kind
        self.name = name
        super().__init__(
            f"{kind} {name!r} was changed since you read it; read it again and repeat the change"
        )


class NotPossibleNow(EspalierError):
    """The thing is in a state that does not allow this."""

    reason = "FAILED_PRECONDITION"

    def __init__(self, message: str, *, reason: str = "FAILED_PRECONDITION") -> None:
        self.reason = reason
        super().__init__(message)


class TryLater(EspalierError):
    """The service cannot do this at the moment; nothing was stored."""

    reason = "TRY_LATER"

    def __init__(self, message: str, *, retry_after_seconds: float = 1.0) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)
