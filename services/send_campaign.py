"""Takes a campaign in: all of it, durably, or nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, replace

from domain.campaign import CampaignSpec, Content, Recipient
from domain.campaign_advice import advise
from domain.campaign_rules import check_spec
from domain.errors import Advice, AlreadyExists, InvalidRequest, TryLater, Violation
from domain.fingerprint import Fingerprint
from domain.provider import Provider
from services.content import complete
from services.intake import Intake, look_at
from services.ports import (
    AddressLedger,
    Campaign,
    CampaignRepository,
    Clock,
    ProviderRepository,
)
from services.refusals import Faults
from services.waiting import wait_out


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
        self,
        spec: CampaignSpec,
        recipients: AsyncIterator[Sequence[Recipient]],
        *,
        faults: Sequence[Violation] = (),
    ) -> Sent:
        """With `faults`, what was found wrong with the call before, it is refused in any case."""
        # A repeat comes first: it is answered though its send_before has passed since.
        may_repeat = spec.request_id and not faults
        known = await self._campaigns.by_request(spec.request_id) if may_repeat else None
        if known is not None:
            number, fingerprint = known
            await self._same(spec, recipients, fingerprint)
            return Sent(campaign=await self._campaigns.get(number), already_existed=True)
        provider, content = await self._complete(spec, recipients, faults)
        filled = replace(spec, content=content)
        async with self._begun(filled, provider.provider_id) as begun:
            with closing(self._new_ledger()) as ledger:
                intake = Intake(self._campaigns, begun, filled, provider, ledger)
                fingerprint = await intake.read(spec, recipients)
            number, is_new = await self._campaigns.accept(begun, fingerprint=fingerprint)
        return Sent(
            campaign=await self._campaigns.get(number),
            already_existed=not is_new,
            advice=advise(spec.content, provider.config),
        )

    async def _complete(
        self,
        spec: CampaignSpec,
        recipients: AsyncIterator[Sequence[Recipient]],
        faults: Sequence[Violation],
    ) -> tuple[Provider, Content]:
        """As `content.complete` has it; what it refuses is refused with the recipients' faults."""
        violations = [*faults, *check_spec(spec, now=self._clock.now())]
        try:
            return await complete(spec, self._providers, violations)
        except InvalidRequest as refused:
            all_faults = Faults()
            all_faults.add_all_of(refused)
        await look_at(recipients, all_faults)
        raise all_faults.error()

    @asynccontextmanager
    async def _begun(self, spec: CampaignSpec, provider_id: int) -> AsyncIterator[int]:
        """The number of a campaign to be, of which nothing is left where the block raises.

        Nothing is left either where the caller is cancelled while the campaign begins: only the end
        of that tells its number.
        """
        beginning = asyncio.ensure_future(self._campaigns.begin(spec, provider_id))
        try:
            yield await asyncio.shield(beginning)
        except BaseException:
            await wait_out(self._take_back(beginning))
            raise

    async def _take_back(self, beginning: asyncio.Future[int]) -> None:
        await asyncio.wait({beginning})
        if beginning.cancelled() or beginning.exception() is not None:
            return
        # Else the sweep takes it, hours later: what the caller is told of comes first.
        with suppress(TryLater):
            await self._campaigns.discard(beginning.result())

    async def _same(
        self, spec: CampaignSpec, recipients: AsyncIterator[Sequence[Recipient]], expected: bytes
    ) -> None:
        fingerprint = Fingerprint(spec)
        async for some in recipients:
            fingerprint.add(some)
        if fingerprint.digest() != expected:
            raise AlreadyExists(spec.request_id)
