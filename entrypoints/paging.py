"""Listings in pages: how large one is, and the token that leads to the next.

A token names the last entry of its page, not a place to count to: what is added or removed between
two pages neither repeats an entry nor hides one.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from domain.errors import InvalidRequest, Violation

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """The pages of one listing; `listing` stands in its tokens, so that no other takes them."""

    listing: str
    default: int
    most: int

    def size(self, page_size: int) -> int:
        """Entries in a page. 0 means the default, too many the most; raises InvalidRequest."""
        if page_size < 0:
            message = f"is {page_size}; give 1 to {self.most:,}, or 0 for {self.default}"
            raise InvalidRequest(
                [Violation(field="page_size", reason="OUT_OF_RANGE", message=message)]
            )
        return min(page_size or self.default, self.most)

    def after(self, page_token: str) -> str:
        """The key that `token` was made of; "" for the first page. Raises InvalidRequest."""
        if not page_token:
            return ""
        listing, colon, key = _decoded(page_token).partition(":")
        if not colon or listing != self.listing or not key or "\0" in key:
            message = (
                "is no token of this listing; give the next_page_token of the page before as it "
                "was, or leave it empty for the first page"
            )
            raise InvalidRequest(
                [Violation(field="page_token", reason="INVALID_PAGE_TOKEN", message=message)]
            )
        return key

    def token(self, key: str) -> str:
        """For the page behind the entry with this key, which is not empty."""
        return base64.urlsafe_b64encode(f"{self.listing}:{key}".encode()).decode().rstrip("=")

    def page(
        self, entries: Sequence[T], size: int, key: Callable[[T], str]
    ) -> tuple[Sequence[T], str]:
        """A page of `size` and the token of the next one ("" for none).

        `entries` are up to `size + 1`: the one too many tells that there are more.
        """
        if len(entries) <= size:
            return entries, ""
        return entries[:size], self.token(key(entries[size - 1]))


def _decoded(page_token: str) -> str:
    """What a token was made of; "" where it is none."""
    padded = page_token + "=" * (-len(page_token) % 4)
    try:
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
