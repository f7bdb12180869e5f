"""Rate limits over all workers: the generic cell rate algorithm, by reservation.

A provider's row holds when its next slot is free. Every caller takes the slot that it finds and
moves the time on, then waits for its own slot: nobody is turned away, so nobody starves.
"""

import orjson
from sqlalchemy import and_, select, update

from adapters.sql import schema
from adapters.sql.database import Database
from domain.provider import Limits

# Well below the second within which a change of limits is to hold.
_REMEMBER_SECONDS = 0.25

_providers, _versions = schema.providers, schema.provider_versions


class SqlLimiter:
    """What holds for a provider is read again after a fraction of a second, not for each request.

    So a change, or a pause by another process, holds for all within that time.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[int, tuple[float, Limits, float]] = {}

    async def reserve(self, provider_id: int, *, requests: int, messages: int) -> float | None:
        now = self._database.clock.now()
        limits, paused_until = await self._remembered(provider_id, now)
        if paused_until > now:
            return None
        by_request, by_message = limits.max_requests_per_second, limits.max_messages_per_second
        if by_request is None and by_message is None:
            return 0.0
        this = _providers.c.id == provider_id
        async with self._database.writing() as connection:
            found = select(_providers).where(this).with_for_update()
            row = (await connection.execute(found)).one()
            request_at, next_request_at = _slot(row.next_request_at, now, requests, by_request)
            message_at, next_message_at = _slot(row.next_message_at, now, messages, by_message)
            moved = {"next_request_at": next_request_at, "next_message_at": next_message_at}
            await connection.execute(update(_providers).where(this).values(moved))
        return max(request_at, message_at) - now

    async def _remembered(self, provider_id: int, now: float) -> tuple[Limits, float]:
        known = self._known.get(provider_id)
        if known is None or not 0 <= now - known[0] < _REMEMBER_SECONDS:
            known = (now, *await self._present(provider_id))
            self._known[provider_id] = known
        return known[1:]

    async def _present(self, provider_id: int) -> tuple[Limits, float]:
        """The provider's limits, and until when it is paused or its circuit open."""
        present = and_(
            _versions.c.provider_id == _providers.c.id, _versions.c.version == _providers.c.version
        )
        columns = (_versions.c.config, _providers.c.paused_until, _providers.c.open_until)
        found = select(*columns).join_from(_providers, _versions, present)
        async with self._database.reading() as connection:
            row = (await connection.execute(found.where(_providers.c.id == provider_id))).first()
        if row is None:
            return Limits(), 0.0
        paused_until = max(row.paused_until or 0.0, row.open_until)
        return Limits(**orjson.loads(row.config)["limits"]), paused_until


def _slot(free_at: float, now: float, count: int, rate: float | None) -> tuple[float, float]:
    """When these may go, and when the slot after them is free."""
    if rate is None:
        return now, free_at
    start = max(free_at, now)
    return start, start + count / rate
