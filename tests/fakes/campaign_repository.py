"""Campaigns in memory."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from domain.address import address_key
from domain.campaign import CampaignSpec, CampaignState, Recipient
from domain.chunk import CHUNK_SIZE
from domain.errors import AlreadyExists, NotFound, NotPossibleNow, TryLater
from domain.message import ABANDONED, Counts, MessageState
from services.ports import Campaign, Clock, MessageRow, Refused, StateChange

_PENDING = (MessageState.QUEUED, MessageState.SENDING)


@dataclass(slots=True, kw_only=True)
class _Stored:
    campaign: Campaign
    fingerprint: bytes | None = None
    messages: dict[int, MessageRow] = field(default_factory=dict)

    def as_it_stands(self) -> Campaign:
        numbers = dict.fromkeys(MessageState, 0)
        for message in self.messages.values():
            numbers[message.state] += 1
        return replace(self.campaign, counts=Counts.of(numbers))


class FakeCampaignRepository:
    """CampaignRepository in memory. `providers` gives the nickname of each that is not deleted."""

    def __init__(self, clock: Clock, providers: Mapping[int, str]) -> None:
        self._clock = clock
        self._providers = providers
        self._stored: dict[int, _Stored] = {}
        self._last = 0

    def move(self, number: int, ordinal: int, state: MessageState, *, reason: str = "") -> None:
        """Puts a message into a state, as workers and callbacks do."""
        messages = self._stored[number].messages
        now = self._clock.now()
        messages[ordinal] = messages[ordinal]._replace(state=state, reason=reason, updated_at=now)

    async def begin(self, spec: CampaignSpec, provider_id: int) -> int:
        self._last += 1
        campaign = Campaign(
            number=self._last,
            spec=spec,
            provider_id=provider_id,
            provider=self._providers.get(provider_id, spec.provider),
            state=CampaignState.SCHEDULED,
            state_reason="",
            counts=Counts(),
            created_at=self._clock.now(),
            started_at=None,
            ended_at=None,
        )
        self._stored[self._last] = _Stored(campaign=campaign)
        return self._last

    async def stage(self, number: int, chunk_number: int, recipients: Sequence[Recipient]) -> None:
        messages = self._begun(number).messages
        for ordinal, one in enumerate(recipients, chunk_number * CHUNK_SIZE):
            messages[ordinal] = MessageRow(ordinal, one, MessageState.QUEUED, "", "", None)

    async def refuse(self, number: int, refused: Sequence[Refused]) -> None:
        messages = self._begun(number).messages
        for one in refused:
            if one.ordinal not in messages:
                chunk = one.ordinal // CHUNK_SIZE
                raise ValueError(f"chunk {chunk} of campaign {number} was not staged")
        for one in refused:
            recipient = messages[one.ordinal].recipient
            settled = (one.state, one.reason, one.message, self._clock.now())
            messages[one.ordinal] = MessageRow(one.ordinal, recipient, *settled)

    async def accept(self, number: int, *, fingerprint: bytes) -> tuple[int, bool]:
        stored = self._begun(number)
        request_id = stored.campaign.spec.request_id
        other = await self.by_request(request_id)
        if other is None:
            if stored.campaign.provider_id not in self._providers:
                raise NotPossibleNow("the provider was deleted", reason="PROVIDER_DELETED")
            stored.fingerprint = fingerprint
            self._start(stored)
            return number, True
        if other[0] != number:
            await self.discard(number)
        if other[1] != fingerprint:
            raise AlreadyExists(request_id)
        return other[0], False

    async def discard(self, number: int) -> None:
        if number in self._stored and self._stored[number].fingerprint is None:
            del self._stored[number]

    async def sweep(self, *, begun_before: float) -> int:
        old = [
            number
            for number, one in self._stored.items()
            if one.fingerprint is None and one.campaign.created_at < begun_before
        ]
        for number in old:
            del self._stored[number]
        return len(old)

    async def by_request(self, request_id: str) -> tuple[int, bytes] | None:
        for number, one in self._stored.items():
            if one.fingerprint is not None and one.campaign.spec.request_id == request_id:
                return number, one.fingerprint
        return None

    async def get(self, number: int) -> Campaign:
        return self._accepted(number).as_it_stands()

    async def list(
        self,
        *,
        before: int | None,
        limit: int,
        provider_id: int | None = None,
        states: Collection[CampaignState] = (),
    ) -> Sequence[Campaign]:
        found = [
            _for_listing(one.as_it_stands())
            for number, one in sorted(self._stored.items(), reverse=True)
            if one.fingerprint is not None
            and (before is None or number < before)
            and (provider_id is None or one.campaign.provider_id == provider_id)
            and (not states or one.campaign.state in states)
        ]
        return found[:limit]

    async def change_state(self, number: int, update: StateChange) -> Campaign:
        stored = self._accepted(number)
        change = update(stored.campaign.state)
        if change is None:
            return stored.as_it_stands()
        state, reason = change
        if state is CampaignState.CANCELLED:
            for ordinal, message in stored.messages.items():
                if message.state is MessageState.QUEUED:
                    stored.messages[ordinal] = message._replace(state=MessageState.CANCELLED)
        self._enter(stored, state, reason)
        return stored.as_it_stands()

    async def resolve_unknown(
        self, number: int, *, resend: bool, ordinals: Collection[int] | None = None
    ) -> tuple[int, int]:
        stored = self._accepted(number)
        state = stored.campaign.state
        if resend and state.ended and state is not CampaignState.COMPLETED:
            raise NotPossibleNow(f"the campaign is {state}; its messages are not sent again")
        unknown = [
            ordinal
            for ordinal, one in stored.messages.items()
            if one.state is MessageState.UNKNOWN and (ordinals is None or ordinal in ordinals)
        ]
        for ordinal in unknown:
            if resend:
                self.move(number, ordinal, MessageState.QUEUED)
            else:
                self.move(number, ordinal, MessageState.CANCELLED, reason=ABANDONED)
        if resend and unknown and state is CampaignState.COMPLETED:
            self._enter(stored, CampaignState.SENDING, "unknown messages are sent again")
        return len(unknown), 0 if ordinals is None else len(set(ordinals)) - len(unknown)

    async def messages(
        self,
        number: int,
        *,
        after: int,
        limit: int,
        states: Collection[MessageState] = (),
        email_key: str = "",
    ) -> tuple[Sequence[MessageRow], int | None]:
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
        messages = self._stored[number].messages if number in self._stored else {}
        return {o: messages[o].recipient for o in ordinals if o in messages}

    def _begun(self, number: int) -> _Stored:
        if number not in self._stored:
            raise TryLater("the campaign took too long to come in; send it again")
        return self._stored[number]

    def _accepted(self, number: int) -> _Stored:
        stored = self._stored.get(number)
        if stored is None or stored.fingerprint is None:
            raise NotFound("campaign", str(number))
        return stored

    def _start(self, stored: _Stored) -> None:
        send_at = stored.campaign.spec.send_at
        pending = any(one.state in _PENDING for one in stored.messages.values())
        later = pending and send_at is not None and send_at > self._clock.now()
        self._enter(stored, CampaignState.SCHEDULED if later else CampaignState.SENDING, "")

    def _enter(self, stored: _Stored, state: CampaignState, reason: str) -> None:
        now, old = self._clock.now(), stored.campaign
        started_at = old.started_at
        if state is CampaignState.SENDING:
            started_at = now if started_at is None else started_at
            if not any(one.state in _PENDING for one in stored.messages.values()):
                state = CampaignState.COMPLETED
        stored.campaign = replace(
            old,
            state=state,
            state_reason=reason,
            started_at=started_at,
            ended_at=(old.ended_at or now) if state.ended else None,
        )


def _for_listing(campaign: Campaign) -> Campaign:
    content = replace(campaign.spec.content, html="", plaintext="", amp_html="", replacements={})
    return replace(campaign, spec=replace(campaign.spec, content=content))
