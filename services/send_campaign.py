"""Takes a campaign in: all of it, durably, or nothing."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from domain.address import address_key
from domain.campaign import CampaignSpec, Recipient
from domain.campaign_advice import advise
from domain.campaign_rules import check_recipient, check_spec, unsendable
from domain.chunk import CHUNK_SIZE
from domain.errors import Advice, AlreadyExists, InvalidRequest, Violation
from domain.fingerprint import Fingerprint
from domain.message import MessageState
from domain.provider import Provider
from domain.rendering import Renderer
from services.content import complete
from services.ports import (
    AddressLedger,
    Campaign,
    CampaignRepository,
    Clock,
    ProviderRepository,
    Refused,
)

# Enough to see what is wrong with a list; a million would only repeat it.
MAX_VIOLATIONS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A campaign that is durable, and whether the call was a repeat of an earlier one.

    `advice` names what is likely to be a mistake; a repeat is not advised again.
    """

    campaign: Campaign
    already_existed: bool
    advice: Sequence[Advice] = ()


class SendCampaign:
    """Reads the recipients once, chunk by chunk: memory does not grow with their number.

    Raises InvalidRequest, NotFound for a provider, AlreadyExists for a request id with other
    content. Whatever is raised, and also when the recipients break off, nothing is left behind.
    """

    def __init__(
        self,
        *,
        campaigns: CampaignRepository,
        providers: ProviderRepository,
        new_ledger: Callable[[], AddressLedger],
        clock: Clock,
    ) -> None:
        self._campaigns = campaigns
        self._providers = providers
        self._new_ledger = new_ledger
        self._clock = clock

    async def __call__(
        self, spec: CampaignSpec, recipients: AsyncIterator[Sequence[Recipient]]
    ) -> Sent:
        # A repeat comes first: it is answered though its send_before has passed since.
        known = await self._campaigns.by_request(spec.request_id) if spec.request_id else None
        if known is not None:
            number, fingerprint = known
            await self._same(spec, recipients, fingerprint)
            return Sent(campaign=await self._campaigns.get(number), already_existed=True)
        violations = check_spec(spec, now=self._clock.now())
        provider, content = await complete(spec, self._providers, violations)
        filled = replace(spec, content=content)
        number = await self._campaigns.begin(filled, provider.provider_id)
        try:
            with closing(self._new_ledger()) as ledger:
                intake = _Intake(self._campaigns, number, filled, provider, ledger)
                fingerprint = await intake.read(spec, recipients)
            number, is_new = await self._campaigns.accept(number, fingerprint=fingerprint)
        except BaseException:
            await self._campaigns.discard(number)
            raise
        return Sent(
            campaign=await self._campaigns.get(number),
            already_existed=not is_new,
            advice=advise(spec.content, provider.config),
        )

    async def _same(
        self, spec: CampaignSpec, recipients: AsyncIterator[Sequence[Recipient]], expected: bytes
    ) -> None:
        fingerprint = Fingerprint(spec)
        async for some in recipients:
            fingerprint.add(some)
        if fingerprint.digest() != expected:
            raise AlreadyExists(spec.request_id)


class _Intake:
    """Stages the recipients of one campaign."""

    def __init__(
        self,
        campaigns: CampaignRepository,
        number: int,
        spec: CampaignSpec,
        provider: Provider,
        ledger: AddressLedger,
    ) -> None:
        self._campaigns = campaigns
        self._number = number
        self._ledger = ledger
        # Only asked whether a message can be made; ids of the right form are all that takes.
        self._renderer = Renderer(
            provider.config, spec.content, campaign_id=str(number), message_ids=_placeholder_ids
        )
        self._violations: list[Violation] = []
        self._total = self._sendable = 0
        self._first_refusal: Refused | None = None

    async def read(
        self, spec: CampaignSpec, recipients: AsyncIterator[Sequence[Recipient]]
    ) -> bytes:
        """Stages all; the fingerprint of what the caller gave."""
        fingerprint = Fingerprint(spec)
        async for chunk in _chunks(recipients):
            fingerprint.add(chunk)
            await self._stage(chunk)
            if len(self._violations) >= MAX_VIOLATIONS:
                break
        self._raise_if_nothing_goes()
        for ordinals in self._ledger.repeats():
            await self._campaigns.refuse(self._number, [_duplicate(o) for o in ordinals])
        return fingerprint.digest()

    async def _stage(self, chunk: Sequence[Recipient]) -> None:
        first = self._total
        self._total += len(chunk)
        faults = (check_recipient(first + i, person) for i, person in enumerate(chunk))
        self._violations += [fault for fault in faults if fault is not None]
        if self._violations:
            return
        refused = list(self._refused(first, chunk))
        await self._campaigns.stage(self._number, first // CHUNK_SIZE, chunk)
        if refused:
            await self._campaigns.refuse(self._number, refused)
            self._first_refusal = self._first_refusal or refused[0]
        # A message that is never sent makes no duplicate of another one.
        out = {item.ordinal for item in refused}
        numbered = enumerate(chunk, start=first)
        self._ledger.add((o, address_key(p.email)) for o, p in numbered if o not in out)
        self._sendable += len(chunk) - len(refused)

    def _refused(self, first: int, chunk: Sequence[Recipient]) -> Iterator[Refused]:
        for ordinal, recipient in enumerate(chunk, start=first):
            fault = unsendable(recipient)
            if fault is not None:
                yield _rejected(ordinal, "NOT_SENDABLE", fault)
                continue
            refusal = self._renderer.refusal(recipient)
            if refusal is not None:
                yield _rejected(ordinal, refusal.reason, refusal.message)

    def _raise_if_nothing_goes(self) -> None:
        if self._violations:
            raise InvalidRequest(self._violations[:MAX_VIOLATIONS])
        if self._total == 0:
            message = "is empty; give at least one recipient"
            raise InvalidRequest(
                [Violation(field="recipients", reason="REQUIRED", message=message)]
            )
        if self._sendable == 0 and self._first_refusal is not None:
            first = self._first_refusal
            message = f"none of them can be sent; the first: {first.message}"
            raise InvalidRequest(
                [Violation(field="recipients", reason=first.reason, message=message)]
            )


def _rejected(ordinal: int, reason: str, message: str) -> Refused:
    return Refused(ordinal=ordinal, state=MessageState.REJECTED, reason=reason, message=message)


def _duplicate(ordinal: int) -> Refused:
    message = "an earlier recipient of the campaign has the same address"
    return Refused(
        ordinal=ordinal, state=MessageState.DUPLICATE, reason="REPEATED_ADDRESS", message=message
    )


def _placeholder_ids(ordinals: Sequence[int]) -> Sequence[str]:
    return [""] * len(ordinals)


async def _chunks(
    recipients: AsyncIterator[Sequence[Recipient]],
) -> AsyncIterator[Sequence[Recipient]]:
    """The same recipients, CHUNK_SIZE at a time."""
    waiting: list[Recipient] = []
    async for some in recipients:
        waiting.extend(some)
        while len(waiting) >= CHUNK_SIZE:
            yield waiting[:CHUNK_SIZE]
            del waiting[:CHUNK_SIZE]
    if waiting:
        yield waiting
