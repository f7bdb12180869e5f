"""The providers in SQL."""

import logging
import secrets
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.secret_box import SecretBox
from adapters.sql import schema
from adapters.sql.campaign_rows import STAGED
from adapters.sql.database import Database
from adapters.sql.prepared import Prepared
from adapters.sql.provider_codec import decode, encode, read_circuit
from domain.ahead import furthest
from domain.campaign import CampaignState
from domain.errors import Conflict, NotFound, NotPossibleNow
from domain.pace import moved_slots
from domain.provider import Limits, Provider, ProviderConfig, nickname_key
from domain.retry import MAX_RETRY_AFTER_SECONDS

_providers, _versions, _campaigns = schema.providers, schema.provider_versions, schema.campaigns

_log = logging.getLogger(__name__)
# 192 random bits, in URL-safe text.
_TOKEN_BYTES = 24


class SqlProviderRepository:
    """Every configuration is a row that is never changed; secrets are sealed.

    What has been stored it tells the log, whoever of callers and dispatchers had it stored.
    """

    def __init__(self, database: Database, secret_box: SecretBox) -> None:
        self._database = database
        self._box = secret_box

    async def configure(
        self, nickname: str, update: Callable[[Provider | None], ProviderConfig]
    ) -> tuple[Provider, bool]:
        async with self._database.writing() as connection:
            found = _current(_named(nickname)).with_for_update()
            row = (await connection.execute(found)).one_or_none()
            config = update(None if row is None else self._provider(row))
            provider_id = await self._raise_version(connection, row, config)
            stored = (await connection.execute(_current(_providers.c.id == provider_id))).one()
        facts = {"provider": stored.nickname, "version": stored.version, "is_new": row is None}
        _log.info("provider configured", extra=facts)
        return self._provider(stored), row is None

    async def get(self, nickname: str) -> Provider:
        return await self._one(_named(nickname), nickname)

    async def by_id(self, provider_id: int) -> Provider:
        row = await self._database.read(
            lambda connection: _BY_ID.execute(connection, {"this_id": provider_id}).one_or_none()
        )
        if row is None:
            raise NotFound("provider", str(provider_id))
        return self._provider(row)

    async def version(self, provider_id: int, version: int) -> ProviderConfig:
        found = select(_versions).where(
            _versions.c.provider_id == provider_id, _versions.c.version == version
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(found)).one_or_none()
        if row is None:
            raise NotFound("version of a provider", f"{provider_id}-{version}")
        return self._config(row)

    async def by_callback_token(self, token: str) -> Provider | None:
        async with self._database.reading() as connection:
            found = _current(_providers.c.callback_token == token)
            row = (await connection.execute(found)).one_or_none()
        return None if row is None else self._provider(row)

    async def list(self, *, after: str, limit: int) -> Sequence[Provider]:
        found = _current(_providers.c.nickname_key > after)
        page = found.order_by(_providers.c.nickname_key).limit(limit)
        async with self._database.reading() as connection:
            return [self._provider(row) for row in await connection.execute(page)]

    async def delete(self, nickname: str, *, etag: str) -> None:
        async with self._database.writing() as connection:
            found = _current(_named(nickname)).with_for_update()
            row = (await connection.execute(found)).one_or_none()
            if row is None:
                raise NotFound("provider", nickname)
            if etag not in ("", self._provider(row).etag):
                raise Conflict("provider", nickname)
            await _refuse_while_in_use(connection, row)
            freed = update(_providers).where(_providers.c.id == row.id)
            await connection.execute(freed.values(nickname_key=None))
        _log.info("provider deleted", extra={"provider": row.nickname})

    async def pause(self, provider_id: int, *, until: float, reason: str) -> None:
        this, now = _providers.c.id == provider_id, self._database.clock.now()
        found = select(_providers.c.nickname, _providers.c.paused_until).where(this)
        async with self._database.writing() as connection:
            row = (await connection.execute(found.with_for_update())).one_or_none()
            before = 0.0 if row is None else row.paused_until or 0.0
            # From before the clock was put back: it counts as over (domain.ahead).
            of_then = before > furthest(now, MAX_RETRY_AFTER_SECONDS)
            if row is None or (before >= until and not of_then):
                return
            paused = update(_providers).where(this)
            await connection.execute(paused.values(paused_until=until, pause_reason=reason))
        # Of many requests that are answered alike each prolongs the pause by a little.
        if before <= now or of_then:
            facts = {"provider": row.nickname, "seconds": until - now, "reason": reason}
            _log.warning("provider paused", extra=facts)

    async def _one(self, which: ColumnElement[bool], name: str) -> Provider:
        found = _current(which)
        row = await self._database.read(lambda connection: connection.execute(found).one_or_none())
        if row is None:
            raise NotFound("provider", name)
        return self._provider(row)

    async def _raise_version(
        self, connection: AsyncConnection, row: Row[Any] | None, config: ProviderConfig
    ) -> int:
        """Stores the configuration as the provider's next version; the provider's id."""
        version = 1 if row is None else row.version + 1
        now = self._database.clock.now()
        names = {"nickname": config.nickname, "nickname_key": nickname_key(config.nickname)}
        values = {**names, "version": version, "updated_at": now}
        if row is None:
            token = secrets.token_urlsafe(_TOKEN_BYTES)
            new = insert(_providers).values(**values, callback_token=token, created_at=now)
            provider_id = await connection.scalar(new.returning(_providers.c.id))
        else:
            provider_id = row.id
            this = _providers.c.id == provider_id
            slots = _slots(row, config.limits, now)
            await connection.execute(update(_providers).where(this).values(**values, **slots))
        text, sensitive = encode(config)
        await connection.execute(
            insert(_versions).values(
                provider_id=provider_id,
                version=version,
                config=text,
                secrets=self._box.seal(sensitive),
            )
        )
        return int(provider_id)

    def _provider(self, row: Row[Any]) -> Provider:
        return Provider(
            provider_id=row.id,
            version=row.version,
            config=self._config(row),
            callback_token=row.callback_token,
            created_at=row.created_at,
            updated_at=row.updated_at,
            paused_until=row.paused_until,
            pause_reason=row.pause_reason,
            circuit=read_circuit(row),
        )

    def _config(self, row: Row[Any]) -> ProviderConfig:
        return decode(row.config, self._box.open(row.secrets))


def _slots(row: Row[Any], new: Limits, now: float) -> dict[str, float]:
    old = Limits(**orjson.loads(row.config)["limits"])
    moved = moved_slots(row.next_request_at, row.next_message_at, old=old, new=new, now=now)
    return dict(zip(("next_request_at", "next_message_at"), moved, strict=True))


def _named(nickname: str) -> ColumnElement[bool]:
    named: ColumnElement[bool] = _providers.c.nickname_key == nickname_key(nickname)
    return named


def _current(which: ColumnElement[bool]) -> Select[Any]:
    """Providers with their present configuration."""
    present = and_(
        _versions.c.provider_id == _providers.c.id, _versions.c.version == _providers.c.version
    )
    columns = (_providers, _versions.c.config, _versions.c.secrets)
    return select(*columns).join_from(_providers, _versions, present).where(which)


_BY_ID = Prepared(_current(_providers.c.id == bindparam("this_id")))


async def _refuse_while_in_use(connection: AsyncConnection, row: Row[Any]) -> None:
    mine = select(_campaigns.c.number).where(_campaigns.c.provider_id == row.id).limit(1)
    unended = [state.value for state in CampaignState if not state.ended]
    number = await connection.scalar(mine.where(_campaigns.c.state.in_(unended)))
    if number is not None:
        text = (
            f"campaign {number} still sends through provider {row.nickname!r}; wait for it to end "
            "or cancel it"
        )
        raise NotPossibleNow(text, reason="PROVIDER_IN_USE")
    if await connection.scalar(mine.where(_campaigns.c.state == STAGED)) is not None:
        # Nobody was told its number yet.
        text = (
            f"a campaign that goes through provider {row.nickname!r} is just coming in; call again "
            "once the call that sends it has ended"
        )
        raise NotPossibleNow(text, reason="PROVIDER_IN_USE")
