"""Requests to callback URLs as they came, one compressed row each."""

import zlib
from collections.abc import Sequence

import orjson
from sqlalchemy import Connection, delete, select

from adapters.sql import schema
from adapters.sql.database import Database
from adapters.sql.rows import insert_rows
from domain.webhook_request import WebhookRequest
from services.ports import Kept, KeptRequest

_kept = schema.kept_requests
_COLUMNS = ("provider_id", "received_at", "keep_until", "request")
# Callbacks repeat themselves so much that the quickest level takes most of it.
_LEVEL = 1
# In one transaction, which holds everybody else up.
_PRUNED_AT_ONCE = 2_000


class SqlKeptRequests:
    """KeptRequests over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self,
        provider_id: int,
        *,
        after: int,
        received_from: float,
        received_before: float,
        limit: int,
    ) -> Sequence[KeptRequest]:
        """See the port."""
        found = (
            select(_kept.c.id, _kept.c.received_at, _kept.c.request)
            .where(
                _kept.c.provider_id == provider_id,
                _kept.c.id > after,
                _kept.c.received_at >= received_from,
                _kept.c.received_at < received_before,
            )
            .order_by(_kept.c.id)
            .limit(limit)
        )
        async with self._database.reading() as connection:
            rows = await connection.execute(found)
            return [KeptRequest(id_, at, _unpacked(packed)) for id_, at, packed in rows]

    async def prune(self, *, now: float) -> int:
        """See the port."""
        old = (
            select(_kept.c.id)
            .where(_kept.c.keep_until <= now)
            .order_by(_kept.c.keep_until)
            .limit(_PRUNED_AT_ONCE)
        )
        removed = 0
        while True:
            async with self._database.writing() as connection:
                ids = (await connection.execute(old)).scalars().all()
                if ids:
                    await connection.execute(delete(_kept).where(_kept.c.id.in_(ids)))
            removed += len(ids)
            if len(ids) < _PRUNED_AT_ONCE:
                return removed


def keep_requests(connection: Connection, kept: Sequence[tuple[int, float, Kept]]) -> None:
    """Stores each with the id of its provider and when it was received."""
    rows = [
        (provider_id, received_at, one.until, _packed(one.request))
        for provider_id, received_at, one in kept
    ]
    insert_rows(connection, _kept, _COLUMNS, rows)


def _packed(request: WebhookRequest) -> bytes:
    """Without the URL, which holds the token that admits a caller."""
    head = orjson.dumps([request.method, dict(request.headers), dict(request.query)])
    return zlib.compress(head + b"\n" + request.body, _LEVEL)


def _unpacked(packed: bytes) -> WebhookRequest:
    head, _, body = zlib.decompress(packed).partition(b"\n")
    method, headers, query = orjson.loads(head)
    return WebhookRequest(method=method, url="", headers=headers, query=query, body=body)
