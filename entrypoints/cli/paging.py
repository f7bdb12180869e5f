"""Reading lists that may have more than a page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any, Final

import typer

from entrypoints.cli.client import CALL_TIMEOUT

# The API's own maximum.
_PAGE: Final = 1_000

Limit = Annotated[int, typer.Option(min=0, help="Most entries to show; 0: all there are.")]


async def pages(
    fetch: Callable[..., Awaitable[Any]], request: Any, field: str, *, limit: int
) -> AsyncIterator[list[Any]]:
    """Yield the entries of a list, a page at a time, `limit` of them at most (0: all).

    `fetch` is the rpc, `request` its first request, `field` where a response has the entries. A
    page may be empty though others follow. Where entries are left over, standard error says so.
    """
    shown = 0
    while True:
        request.page_size = min(_PAGE, limit - shown) if limit else _PAGE
        response = await fetch(request, timeout=CALL_TIMEOUT)
        entries = list(getattr(response, field))
        yield entries
        shown += len(entries)
        request.page_token = response.next_page_token
        if not request.page_token:
            return
        if limit and shown >= limit:
            typer.echo("There are more: raise --limit, or narrow it down (see --help).", err=True)
            return


async def whole_list(
    fetch: Callable[..., Awaitable[Any]], request: Any, field: str, *, limit: int = 0
) -> list[Any]:
    """Return the entries that `pages` yields in one list."""
    found: list[Any] = []
    async for page in pages(fetch, request, field, limit=limit):
        found += page
    return found
