"""What refuses a call, all told together, and recipients that are refused while the others go."""

from collections.abc import Iterable, Iterator, Sequence

from domain.campaign import Recipient
from domain.campaign_rules import check_recipient, unsendable
from domain.errors import InvalidRequest, Violation
from domain.message import MessageState
from domain.rendering import Renderer
from services.ports import Refused

# Enough to see what is wrong with a list; a million would only repeat it.
MAX_VIOLATIONS = 100

NO_RECIPIENTS = Violation(
    field="recipients", reason="REQUIRED", message="is empty; give at least one recipient"
)


class Faults:
    """The violations of one call: the first MAX_VIOLATIONS, and how many more were found."""

    def __init__(self) -> None:
        self._kept: list[Violation] = []
        self._more = 0

    def __bool__(self) -> bool:
        return bool(self._kept)

    @property
    def are_enough(self) -> bool:
        return len(self._kept) == MAX_VIOLATIONS

    def add(self, found: Iterable[Violation], *, more: int = 0) -> None:
        for violation in found:
            if self.are_enough:
                self._more += 1
            else:
                self._kept.append(violation)
        self._more += more

    def add_all_of(self, error: InvalidRequest) -> None:
        self.add(error.violations, more=error.more)

    def error(self) -> InvalidRequest:
        return InvalidRequest(self._kept, more=self._more)

    def raise_if_any(self) -> None:
        if self._kept:
            raise self.error()


def check_recipients(first: int, recipients: Sequence[Recipient]) -> Iterator[Violation]:
    """The faults that refuse the whole call, of the recipients number `first` and following."""
    for index, recipient in enumerate(recipients, start=first):
        yield from check_recipient(index, recipient)


def refusal(ordinal: int, recipient: Recipient, renderer: Renderer) -> Refused | None:
    """Why this recipient gets no message though the campaign is sent, or None."""
    fault = unsendable(recipient)
    if fault is not None:
        return rejected(ordinal, "NOT_SENDABLE", fault)
    refused = renderer.refusal(recipient)
    return None if refused is None else rejected(ordinal, refused.reason, refused.message)


def rejected(ordinal: int, reason: str, message: str) -> Refused:
    return Refused(ordinal=ordinal, state=MessageState.REJECTED, reason=reason, message=message)


def duplicate(ordinal: int) -> Refused:
    message = "an earlier recipient of the campaign has the same address"
    return Refused(
        ordinal=ordinal, state=MessageState.DUPLICATE, reason="REPEATED_ADDRESS", message=message
    )
