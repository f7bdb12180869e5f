"""Rate limits over all workers: when its next slot is free stands in a provider's row."""

from functools import partial
from math import inf
from typing import NamedTuple

import orjson
from sqlalchemy import Connection, and_, bindparam, select, update

from adapters.sql import schema
from adapters.sql.database import Database
from adapters.sql.prepared import Prepared
from domain.ahead import is_ahead
from domain.circuit import LONGEST_WAIT
from domain.pace import slot
from domain.provider import Limits
from domain.retry import MAX_RETRY_AFTER_SECONDS

# Well below the second within which a change of limits is to hold.
_REMEMBER_SECONDS = 0.25

_providers, _versions = schema.providers, schema.provider_versions


class _Present(NamedTuple):
    """What holds for a provider at one time; `batch` is the most messages of one request."""

    at: float = 0.0
    limits: Limits = Limits()
    batch: int = 1
    paused_until: float = 0.0
    open_until: float = 0.0

    def is_held(self, now: float) -> bool:
        """Whether it is paused, or its circuit open."""
        paused = is_ahead(self.paused_until, now=now, longest=MAX_RETRY_AFTER_SECONDS)
        return paused or is_ahead(self.open_until, now=now, longest=LONGEST_WAIT)


class SqlLimiter:
    """What holds for a provider is read again after a fraction of a second, not for each request.

    So a change, or a pause by another process, holds for all within that time.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[int, _Present] = {}

    async def limits(self, provider_id: int) -> Limits:
        return (await self._remembered(provider_id, self._database.clock.now())).limits

    async def reserve(
        self, provider_id: int, *, requests: int, messages: int, within: float = inf
    ) -> float | None:
        now = self._database.clock.now()
        present = await self._remembered(provider_id, now)
        if present.is_held(now):
            return None
        limits = present.limits
        by_request, by_message = limits.max_requests_per_second, limits.max_messages_per_second
        if by_request is None and by_message is None:
            return 0.0
        take = partial(_take_slot, provider_id=provider_id, present=present, now=now, within=within)
        return await self._database.write(partial(take, requests=requests, messages=messages))

    async def _remembered(self, provider_id: int, now: float) -> _Present:
        known = self._known.get(provider_id)
        if known is None or not 0 <= now - known.at < _REMEMBER_SECONDS:
            known = await self._present(provider_id, now)
            self._known[provider_id] = known
        return known

    async def _present(self, provider_id: int, now: float) -> _Present:
        current = and_(
            _versions.c.provider_id == _providers.c.id, _versions.c.version == _providers.c.version
        )
        columns = (_versions.c.config, _providers.c.paused_until, _providers.c.open_until)
        found = select(*columns).join_from(_providers, _versions, current)
        found = found.where(_providers.c.id == provider_id)
        row = await self._database.read(lambda connection: connection.execute(found).first())
        if row is None:
            return _Present(at=now)
        config = orjson.loads(row.config)
        return _Present(
            at=now,
            limits=Limits(**config["limits"]),
            batch=config["batch"]["max_messages"] if config["batch"] else 1,
            paused_until=row.paused_until or 0.0,
            open_until=row.open_until,
        )


_THIS = _providers.c.id == bindparam("this_provider")
_FOUND = Prepared(
    select(_providers.c.next_request_at, _providers.c.next_message_at)
    .where(_THIS)
    .with_for_update()
)
_MOVED = Prepared(
    update(_providers)
    .where(_THIS)
    .values(next_request_at=bindparam("request_at"), next_message_at=bindparam("message_at"))
)


def _take_slot(
    connection: Connection,
    *,
    provider_id: int,
    present: _Present,
    now: float,
    requests: int,
    messages: int,
    within: float,
) -> float:
    """Seconds until the slot, which is taken where it is near enough."""
    this = {"this_provider": provider_id}
    row = _FOUND.execute(connection, this).one()
    limits = present.limits
    request_at, next_request_at = slot(
        row.next_request_at, now=now, count=requests, rate=limits.max_requests_per_second
    )
    message_at, next_message_at = slot(
        row.next_message_at,
        now=now,
        count=messages,
        rate=limits.max_messages_per_second,
        at_least=present.batch,
    )
    wait = max(request_at, message_at) - now
    if wait <= within:
        moved = {"request_at": next_request_at, "message_at": next_message_at}
        _MOVED.execute(connection, {**this, **moved})
    return wait
