"""What calls about campaigns have in common: ids, reasons, places in listings, all faults at once.

Every function here raises InvalidRequest for what it cannot read.
"""

from collections.abc import Callable
from typing import TypeVar

from domain.errors import InvalidRequest, NotFound, Violation
from entrypoints.paging import Paging

T = TypeVar("T")
U = TypeVar("U")

MAX_REASON_CHARACTERS = 1024
# What a campaign_id has at most, and what a column of the database holds.
_MAX_DIGITS = 19
_MAX_NUMBER = 2**63 - 1


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
    if not _is_number(campaign_id):
        message = f"is no id; give campaign_id as the service gave it, 1 to {_MAX_DIGITS} digits"
        raise refused("campaign_id", "INVALID_CAMPAIGN_ID", message)
    number = int(campaign_id)
    if number > _MAX_NUMBER:
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
    if not _is_number(key) or int(key) > _MAX_NUMBER:
        message = (
            "is no token of this listing; give the next_page_token of the page before as it was"
        )
        raise refused("page_token", "INVALID_PAGE_TOKEN", message)
    return int(key)


def _is_number(text: str) -> bool:
    """Digits as `str` writes them: no sign, no leading zero, no other script, no endless number."""
    return text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS and str(int(text)) == text
