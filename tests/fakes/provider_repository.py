"""Providers in memory."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace

from domain.ahead import furthest
from domain.errors import Conflict, NotFound, NotPossibleNow
from domain.pace import moved_slots
from domain.provider import Provider, ProviderConfig, nickname_key
from domain.retry import MAX_RETRY_AFTER_SECONDS
from tests.fakes.store import Store, StoredProvider


class FakeProviderRepository:
    """ProviderRepository in memory."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def configure(
        self, nickname: str, update: Callable[[Provider | None], ProviderConfig]
    ) -> tuple[Provider, bool]:
        async with self._store.transaction():
            stored = self._named(nickname)
            config = update(None if stored is None else stored.provider)
            if stored is None:
                return self._add(config), True
            version, now = stored.provider.version + 1, self._store.clock.now()
            stored.next_request_at, stored.next_message_at = moved_slots(
                stored.next_request_at,
                stored.next_message_at,
                old=stored.provider.config.limits,
                new=config.limits,
                now=now,
            )
            stored.versions[version] = config
            stored.provider = replace(
                stored.provider, config=config, version=version, updated_at=now
            )
            return stored.provider, False

    async def get(self, nickname: str) -> Provider:
        async with self._store.transaction():
            return self._present(nickname).provider

    async def by_id(self, provider_id: int) -> Provider:
        async with self._store.transaction():
            if provider_id not in self._store.providers:
                raise NotFound("provider", str(provider_id))
            return self._store.providers[provider_id].provider

    async def version(self, provider_id: int, version: int) -> ProviderConfig:
        async with self._store.transaction():
            stored = self._store.providers.get(provider_id)
            if stored is None or version not in stored.versions:
                raise NotFound("version of a provider", f"{provider_id}-{version}")
            return stored.versions[version]

    async def by_callback_token(self, token: str) -> Provider | None:
        async with self._store.transaction():
            everyone = (one.provider for one in self._store.providers.values())
            return next((one for one in everyone if one.callback_token == token), None)

    async def list(self, *, after: str, limit: int) -> Sequence[Provider]:
        async with self._store.transaction():
            present = (one.provider for one in self._store.providers.values() if not one.deleted)
            by_key = {nickname_key(one.config.nickname): one for one in present}
        return [one for key, one in sorted(by_key.items()) if key > after][:limit]

    async def delete(self, nickname: str, *, etag: str) -> None:
        async with self._store.transaction():
            stored = self._present(nickname)
            if etag not in ("", stored.provider.etag):
                raise Conflict("provider", nickname)
            self._refuse_while_in_use(stored.provider)
            stored.deleted = True

    async def pause(self, provider_id: int, *, until: float, reason: str) -> None:
        async with self._store.transaction():
            stored = self._store.providers.get(provider_id)
            before = (stored.provider.paused_until or 0.0) if stored is not None else 0.0
            of_then = before > furthest(self._store.clock.now(), MAX_RETRY_AFTER_SECONDS)
            if stored is not None and (until > before or of_then):
                stored.provider = replace(stored.provider, paused_until=until, pause_reason=reason)

    def _named(self, nickname: str) -> StoredProvider | None:
        key = nickname_key(nickname)
        for stored in self._store.providers.values():
            if not stored.deleted and nickname_key(stored.provider.config.nickname) == key:
                return stored
        return None

    def _present(self, nickname: str) -> StoredProvider:
        stored = self._named(nickname)
        if stored is None:
            raise NotFound("provider", nickname)
        return stored

    def _add(self, config: ProviderConfig) -> Provider:
        provider_id, now = len(self._store.providers) + 1, self._store.clock.now()
        provider = Provider(
            provider_id=provider_id,
            version=1,
            config=config,
            callback_token=secrets.token_urlsafe(16),
            created_at=now,
            updated_at=now,
        )
        stored = StoredProvider(provider=provider, versions={1: config})
        self._store.providers[provider_id] = stored
        return provider

    def _refuse_while_in_use(self, provider: Provider) -> None:
        mine = [
            one
            for one in self._store.campaigns.values()
            if one.campaign.provider_id == provider.provider_id
        ]
        for one in mine:
            if one.fingerprint is not None and not one.state.ended:
                text = f"campaign {one.campaign.number} still sends through the provider"
                raise NotPossibleNow(text, reason="PROVIDER_IN_USE")
        if any(one.fingerprint is None for one in mine):
            text = "a campaign that goes through the provider is just coming in"
            raise NotPossibleNow(text, reason="PROVIDER_IN_USE")
