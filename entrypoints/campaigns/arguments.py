"""What calls about campaigns have in common: ids, reasons, places in listings, all faults at once.

Every function here raises InvalidRequest for what it cannot read.
"""

from collections.abc import Callable
from typing import TypeVar

from domain.errors import InvalidRequest, NotFound, Violation
from domain.numbers import LARGEST, MAX_DIGITS, read_number
from entrypoints.paging import Paging

T = TypeVar("T")
U = TypeVar("U")

MAX_REASON_CHARACTERS = 1024


class Faults:
    """Collects what is wrong with several fields of one call."""

    def __init__(self) -> None:
        self._found: list[Violation] = []

    def read(self, reader: Callable[[], T], otherwise: U) -> T | U:
        """What `reader` returns; `otherwise` where it finds faults, which are kept."""
        try:
            return reader()
        except InvalidRequest as error:
            self._found += error.violations
            return otherwise

    def raise_if_any(self) -> None:
        if self._found:
            raise InvalidRequest(self._found)


def missing(field: str, way_out: str) -> InvalidRequest:
    return refused(field, "REQUIRED", f"is missing; {way_out}")


def refused(field: str, reason: str, message: str) -> InvalidRequest:
    return InvalidRequest([Violation(field=field, reason=reason, message=message)])


def campaign_number(campaign_id: str) -> int:
    """Raises NotFound besides, for a number that no campaign will ever have."""
    if not campaign_id:
        raise missing("campaign_id", "give the id of a campaign")
    number = read_number(campaign_id)
    if number is None:
        message = f"is no id; give campaign_id as the service gave it, 1 to {MAX_DIGITS} digits"
        raise refused("campaign_id", "INVALID_CAMPAIGN_ID", message)
    if number > LARGEST:
        raise NotFound("campaign", campaign_id)
    return number


def reason_text(reason: str) -> str:
    if len(reason) > MAX_REASON_CHARACTERS:
        message = f"is longer than {MAX_REASON_CHARACTERS:,} characters; shorten it"
        raise refused("reason", "TOO_LONG", message)
    return reason.strip()


def last_seen(paging: Paging, page_token: str) -> int | None:
    """The number of the last entry of the page before; None for the first page."""
    key = paging.after(page_token)
    if not key:
        return None
    number = read_number(key)
    if number is None or number > LARGEST:
        message = (
            "is no token of this listing; give the next_page_token of the page before as it was"
        )
        raise refused("page_token", "INVALID_PAGE_TOKEN", message)
    return number
