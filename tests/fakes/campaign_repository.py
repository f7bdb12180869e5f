"""Campaigns in memory."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from domain.address import address_key
from domain.campaign import CampaignSpec, CampaignState, Recipient
from domain.chunk import CHUNK_SIZE, Change, ChunkState, bits_of, planned
from domain.errors import AlreadyExists, NotFound, NotPossibleNow, TryLater
from domain.message import ABANDONED, Counts, MessageState
from domain.standstill import standstill
from services.ports import Campaign, MessageRow, Refused, Resend, StateChange
from tests.fakes.store import Store
from tests.fakes.stored_campaign import StoredCampaign, StoredChunk


class FakeCampaignRepository:
    """CampaignRepository in memory."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def begin(self, spec: CampaignSpec, provider_id: int) -> int:
        async with self._store.transaction():
            self._store.last_campaign += 1
            number = self._store.last_campaign
            campaign = Campaign(
                number=number,
                spec=spec,
                provider_id=provider_id,
                provider=spec.provider,
                state=CampaignState.SCHEDULED,
                state_reason="",
                counts=Counts(),
                created_at=self._store.clock.now(),
                started_at=None,
                ended_at=None,
            )
            self._store.campaigns[number] = StoredCampaign(campaign=campaign)
        return number

    async def stage(self, number: int, chunk_number: int, recipients: Sequence[Recipient]) -> None:
        async with self._store.transaction():
            stored = self._begun(number)
            if not 0 < len(recipients) <= CHUNK_SIZE or chunk_number in stored.chunks:
                raise ValueError(f"chunk {chunk_number} has {len(recipients)}, or came before")
            chunk = planned(number, chunk_number, len(recipients))
            stored.chunks[chunk_number] = StoredChunk(chunk=chunk)
            for ordinal, one in enumerate(recipients, chunk.first):
                row = MessageRow(ordinal, one, MessageState.QUEUED, "", "", None)
                stored.messages[ordinal] = row

    async def refuse(self, number: int, refused: Sequence[Refused]) -> None:
        async with self._store.transaction():
            stored = self._begun(number)
            for one in refused:
                if one.ordinal not in stored.messages:
                    chunk_number = one.ordinal // CHUNK_SIZE
                    raise ValueError(f"chunk {chunk_number} of campaign {number} was not staged")
            self._settle(stored, refused)

    async def accept(self, number: int, *, fingerprint: bytes) -> tuple[int, bool]:
        async with self._store.transaction():
            stored = self._begun(number)
            request_id = stored.campaign.spec.request_id
            other = self._by_request(request_id)
            if other is None:
                if self._store.providers[stored.campaign.provider_id].deleted:
                    raise NotPossibleNow("the provider was deleted", reason="PROVIDER_DELETED")
                stored.fingerprint = fingerprint
                self._start(stored)
                return number, True
            if other[0] != number:
                del self._store.campaigns[number]
            if other[1] != fingerprint:
                raise AlreadyExists(request_id)
            return other[0], False

    async def discard(self, number: int) -> None:
        async with self._store.transaction():
            stored = self._store.campaigns.get(number)
            if stored is not None and stored.fingerprint is None:
                del self._store.campaigns[number]

    async def sweep(self, *, begun_before: float) -> int:
        async with self._store.transaction():
            old = [
                number
                for number, one in self._store.campaigns.items()
                if one.fingerprint is None and one.campaign.created_at < begun_before
            ]
            for number in old:
                del self._store.campaigns[number]
        return len(old)

    async def by_request(self, request_id: str) -> tuple[int, bytes] | None:
        async with self._store.transaction():
            return self._by_request(request_id)

    async def get(self, number: int) -> Campaign:
        async with self._store.transaction():
            return self._read(self._accepted(number))

    async def list(
        self,
        *,
        before: int | None,
        limit: int,
        provider_id: int | None = None,
        states: Collection[CampaignState] = (),
    ) -> Sequence[Campaign]:
        async with self._store.transaction():
            found = [
                one
                for number, one in sorted(self._store.campaigns.items(), reverse=True)
                if one.fingerprint is not None
                and (before is None or number < before)
                and (provider_id is None or one.campaign.provider_id == provider_id)
                and (not states or one.state in states)
            ]
            return [_for_listing(self._read(one)) for one in found[:limit]]

    async def change_state(self, number: int, update: StateChange) -> Campaign:
        async with self._store.transaction():
            stored, now = self._accepted(number), self._store.clock.now()
            change = update(stored.state)
            if change is not None:
                state, reason = change
                if state is CampaignState.CANCELLED and not stored.state.ended:
                    stored.cancel_queued(now=now)
                stored.enter(state, reason, now=now)
            return self._read(stored)

    async def resolve_unknown(
        self, number: int, *, resend: bool, ordinals: Collection[int] | None = None
    ) -> tuple[int, int]:
        async with self._store.transaction():
            stored, now = self._accepted(number), self._store.clock.now()
            state = stored.state
            if resend and state.ended and state is not CampaignState.COMPLETED:
                raise NotPossibleNow(f"the campaign is {state}; its messages are not sent again")
            unknown = [
                ordinal
                for ordinal, one in stored.messages.items()
                if one.state is MessageState.UNKNOWN and (ordinals is None or ordinal in ordinals)
            ]
            if resend:
                _queue_again(stored, unknown, now=now)
            else:
                stored.put(unknown, MessageState.CANCELLED, reason=ABANDONED, at=now)
            if resend and unknown and state is CampaignState.COMPLETED:
                stored.enter(CampaignState.SENDING, "unknown messages are sent again", now=now)
        return len(unknown), 0 if ordinals is None else len(set(ordinals)) - len(unknown)

    async def resends(self, number: int, ordinal: int) -> Sequence[Resend]:
        async with self._store.transaction():
            stored = self._store.campaigns.get(number)
            return [] if stored is None else list(stored.resends.get(ordinal, []))

    async def messages(
        self,
        number: int,
        *,
        after: int,
        limit: int,
        states: Collection[MessageState] = (),
        email_key: str = "",
    ) -> tuple[Sequence[MessageRow], int | None]:
        async with self._store.transaction():
            found = [
                message
                for ordinal, message in sorted(self._accepted(number).messages.items())
                if ordinal > after
                and (not states or message.state in states)
                and (not email_key or address_key(message.recipient.email) == email_key)
            ]
        page = found[:limit]
        return page, page[-1].ordinal if len(found) > limit else None

    async def recipients(self, number: int, ordinals: Sequence[int]) -> Mapping[int, Recipient]:
        async with self._store.transaction():
            stored = self._store.campaigns.get(number)
            messages = {} if stored is None else stored.messages
            return {o: messages[o].recipient for o in ordinals if o in messages}

    def _begun(self, number: int) -> StoredCampaign:
        if number not in self._store.campaigns:
            raise TryLater("the campaign took too long to come in; send it again")
        return self._store.campaigns[number]

    def _accepted(self, number: int) -> StoredCampaign:
        stored = self._store.campaigns.get(number)
        if stored is None or stored.fingerprint is None:
            raise NotFound("campaign", str(number))
        return stored

    def _by_request(self, request_id: str) -> tuple[int, bytes] | None:
        for number, one in self._store.campaigns.items():
            if one.fingerprint is not None and one.campaign.spec.request_id == request_id:
                return number, one.fingerprint
        return None

    def _read(self, stored: StoredCampaign) -> Campaign:
        """The campaign as it stands, under the present name of its provider."""
        campaign = stored.campaign
        name = self._store.nickname(campaign.provider_id)
        spec = replace(campaign.spec, provider=name)
        reason = self._waits_for(campaign) or campaign.state_reason
        return replace(
            campaign, spec=spec, provider=name, state_reason=reason, counts=stored.counts()
        )

    def _waits_for(self, campaign: Campaign) -> str:
        if campaign.state is not CampaignState.SENDING:
            return ""
        provider, now = (
            self._store.providers[campaign.provider_id].provider,
            self._store.clock.now(),
        )
        until, reason = provider.paused_until, provider.pause_reason
        return standstill(until, reason, provider.circuit, now=now)

    def _settle(self, stored: StoredCampaign, refused: Sequence[Refused]) -> None:
        now = self._store.clock.now()
        for one in refused:
            stored.put([one.ordinal], one.state, reason=one.reason, detail=one.message, at=now)
        for number, held in stored.chunks.items():
            gone = tuple(one.ordinal for one in refused if one.ordinal // CHUNK_SIZE == number)
            settled = held.chunk.apply(Change(settled=gone))
            held.chunk = replace(settled, state=held.chunk.state)

    def _start(self, stored: StoredCampaign) -> None:
        for held in stored.chunks.values():
            held.chunk = held.chunk.release()
        send_at, now = stored.campaign.spec.send_at, self._store.clock.now()
        pending = any(held.chunk.state is ChunkState.READY for held in stored.chunks.values())
        later = pending and send_at is not None and send_at > now
        stored.enter(CampaignState.SCHEDULED if later else CampaignState.SENDING, "", now=now)


def _queue_again(stored: StoredCampaign, ordinals: Sequence[int], *, now: float) -> None:
    chunks = [stored.chunks[ordinal // CHUNK_SIZE] for ordinal in ordinals]
    if any(held.is_held for held in chunks):
        raise TryLater("other messages near these are being sent at the moment; call again")
    for row in [stored.messages[ordinal] for ordinal in ordinals]:
        assert row.lost_at is not None, f"{row} is unknown and was never lost"
        again = Resend(row.lost_at, row.detail, now)
        stored.resends.setdefault(row.ordinal, []).append(again)
    stored.put(ordinals, MessageState.QUEUED, at=None)
    for held, ordinal in zip(chunks, ordinals, strict=True):
        opened = held.chunk.open | bits_of([ordinal], held.chunk.first)
        held.chunk = replace(held.chunk, open=opened, state=ChunkState.READY)


def _for_listing(campaign: Campaign) -> Campaign:
    content = replace(campaign.spec.content, html="", plaintext="", amp_html="", replacements={})
    return replace(campaign, spec=replace(campaign.spec, content=content))
