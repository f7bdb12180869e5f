"""What signed requests leave behind, in SQL, so that none is taken for a new one in any process."""

import asyncio
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection, bindparam, delete, select

from adapters.sql import schema
from adapters.sql.database import Database
from adapters.sql.prepared import Prepared
from adapters.sql.rows import insert_rows
from services.ports import Trace

# How often (seconds) a process looks for what may be forgotten.
_PRUNE_SECONDS = 60.0
# Bounds what one transaction deletes: nobody else can write meanwhile.
_MOST_PRUNED = 5000

_uses = schema.signature_uses
_COLUMNS = ("use_digest", "body_digest", "until")
_FOUND = Prepared(select(_uses.c.body_digest).where(_uses.c.use_digest == bindparam("this_use")))


class SqlSignatureUses:
    """SignatureUses over SQL. What comes while a commit runs goes into the next one together."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[Collection[Trace], asyncio.Future[None]]] = []
        self._committer: asyncio.Task[None] | None = None
        self._prune_at = 0.0

    async def find(self, uses: Collection[bytes]) -> Mapping[bytes, bytes]:
        """See the port."""

        def look(connection: Connection) -> dict[bytes, bytes]:
            found = {}
            for use in uses:
                body = _FOUND.execute(connection, {"this_use": use}).scalar_one_or_none()
                if body is not None:
                    found[use] = bytes(body)
            return found

        return await self._database.read(look)

    async def add(self, traces: Collection[Trace]) -> None:
        """See the port."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((traces, done))
        if self._committer is None or self._committer.done():
            self._committer = asyncio.create_task(self._commit_waiting())
        await done

    async def _commit_waiting(self) -> None:
        while self._waiting:
            # Once around the loop: what has arrived by now comes along.
            await asyncio.sleep(0)
            waiting, self._waiting = self._waiting, []
            rows = [_row(trace) for traces, _ in waiting for trace in traces]
            try:
                await self._store(rows)
            except Exception as error:  # noqa: BLE001 - every caller is told, in its own task.
                _tell(waiting, error)
            except BaseException:
                # The loop is closing: whoever waits must not wait for ever.
                for _, done in (*waiting, *self._waiting):
                    done.cancel()
                raise
            else:
                _tell(waiting, None)

    async def _store(self, rows: Sequence[tuple[object, ...]]) -> None:
        now = self._database.clock.now()
        is_time = not 0 <= self._prune_at - now <= _PRUNE_SECONDS

        def store(connection: Connection) -> None:
            insert_rows(connection, _uses, _COLUMNS, rows, pass_repeats=True)
            if is_time:
                _prune(connection, now)

        await self._database.write(store)
        if is_time:
            self._prune_at = now + _PRUNE_SECONDS


def _prune(connection: Connection, now: float) -> None:
    old = select(_uses.c.use_digest).where(_uses.c.until < now).limit(_MOST_PRUNED)
    connection.execute(delete(_uses).where(_uses.c.use_digest.in_(old)))


def _row(trace: Trace) -> tuple[object, ...]:
    return trace.use, trace.body, trace.until


def _tell(
    waiting: Sequence[tuple[Collection[Trace], asyncio.Future[None]]], error: Exception | None
) -> None:
    for _, done in waiting:
        # A caller that went away has cancelled its future.
        if done.done():
            continue
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)
