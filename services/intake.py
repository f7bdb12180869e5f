"""Recipients on their way in: checked and stored a chunk at a time."""

from collections.abc import AsyncIterator, Sequence

from domain.address import address_key
from domain.campaign import CampaignSpec, Recipient
from domain.chunk import CHUNK_SIZE
from domain.errors import InvalidRequest, Violation
from domain.fingerprint import Fingerprint
from domain.provider import Provider
from domain.rendering import Renderer
from services.ports import AddressLedger, CampaignRepository, Refused
from services.refusals import NO_RECIPIENTS, Faults, check_recipients, duplicate, refusal

# Of a campaign that is at fault itself no recipient is stored, and so many are looked at: about a
# second's work, and more than the faults of a list that is wrong as a whole.
_LOOK_AT = 100_000


class Intake:
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
        self._faults = Faults()
        self._total = self._sendable = 0
        self._first_refusal: Refused | None = None

    async def read(
        self, spec: CampaignSpec, recipients: AsyncIterator[Sequence[Recipient]]
    ) -> bytes:
        """Stages all; the fingerprint of what the caller gave."""
        fingerprint = Fingerprint(spec)
        try:
            async for chunk in _chunks(recipients):
                fingerprint.add(chunk)
                await self._stage(chunk)
                if self._faults.are_enough:
                    break
        except InvalidRequest as error:
            self._faults.add_all_of(error)
        self._raise_if_nothing_goes()
        for ordinals in self._ledger.repeats():
            await self._campaigns.refuse(self._number, [duplicate(o) for o in ordinals])
        return fingerprint.digest()

    async def _stage(self, chunk: Sequence[Recipient]) -> None:
        first = self._total
        self._total += len(chunk)
        self._faults.add(check_recipients(first, chunk))
        if self._faults:
            return
        each = (refusal(o, person, self._renderer) for o, person in enumerate(chunk, start=first))
        refused = [one for one in each if one is not None]
        await self._campaigns.stage(self._number, first // CHUNK_SIZE, chunk)
        if refused:
            await self._campaigns.refuse(self._number, refused)
            self._first_refusal = self._first_refusal or refused[0]
        # A message that is never sent makes no duplicate of another one.
        out = {item.ordinal for item in refused}
        numbered = enumerate(chunk, start=first)
        self._ledger.add((o, address_key(p.email)) for o, p in numbered if o not in out)
        self._sendable += len(chunk) - len(refused)

    def _raise_if_nothing_goes(self) -> None:
        if self._total == 0 and not self._faults:
            self._faults.add([NO_RECIPIENTS])
        self._faults.raise_if_any()
        if self._sendable == 0 and self._first_refusal is not None:
            first = self._first_refusal
            message = f"none of them can be sent; the first: {first.message}"
            raise InvalidRequest(
                [Violation(field="recipients", reason=first.reason, message=message)]
            )


async def look_at(recipients: AsyncIterator[Sequence[Recipient]], faults: Faults) -> None:
    """Adds the faults of recipients that are not stored."""
    total = 0
    try:
        async for some in recipients:
            faults.add(check_recipients(total, some))
            total += len(some)
            if faults.are_enough or total >= _LOOK_AT:
                return
    except InvalidRequest as error:
        faults.add_all_of(error)
    else:
        if not total:
            faults.add([NO_RECIPIENTS])


def _placeholder_ids(ordinals: Sequence[int]) -> Sequence[str]:
    return [""] * len(ordinals)


async def _chunks(
    recipients: AsyncIterator[Sequence[Recipient]],
) -> AsyncIterator[Sequence[Recipient]]:
    """The same recipients, CHUNK_SIZE at a time; also those before a fault of the call."""
    waiting: list[Recipient] = []
    fault: InvalidRequest | None = None
    try:
        async for some in recipients:
            waiting.extend(some)
            while len(waiting) >= CHUNK_SIZE:
                yield waiting[:CHUNK_SIZE]
                del waiting[:CHUNK_SIZE]
    except InvalidRequest as error:
        fault = error
    if waiting:
        yield waiting
    if fault is not None:
        raise fault
