"""What follows from the end of one attempt at one request."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from domain.answer import Verdict, is_success
from domain.answer_parts import Part
from domain.campaign import CampaignState, DeliveryGuarantee
from domain.chunk import OpenRequest
from domain.http import AnswerLost, HttpRequest, HttpResponse, TransportError
from domain.masking import mask_echoes, secrets_sent
from domain.message import MessageState
from domain.provider import Provider, ProviderConfig
from domain.retry import Outcome, backoff, retry_at
from services.answers import esp_messages
from services.patience import patiently
from services.ports import CampaignRepository, Clock, ProviderRepository
from services.run import Run
from services.shares import ANSWER_LOST, ANSWER_UNREADABLE, ESP_REFUSED, Shares

# As much of an ESP's answer as tells a person what was wrong.
_DETAIL_CHARACTERS = 500
# Answers that tell of the ESP and not of what it was sent (domain.circuit).
_REQUEST_TIMEOUT, _FIRST_SERVER_ERROR = 408, 500


class Attempt(NamedTuple):
    """A request that was sent once, the configuration it was made from, and how that has ended."""

    request: OpenRequest
    sent: HttpRequest
    config: ProviderConfig
    outcome: HttpResponse | TransportError


class SettleRequest:
    """Records the outcome of an attempt that did not simply succeed.

    `chance` gives uniform numbers in [0, 1), for the jitter of retries.
    """

    def __init__(
        self,
        *,
        providers: ProviderRepository,
        campaigns: CampaignRepository,
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        self._providers = providers
        self._campaigns = campaigns
        self._clock = clock
        self._chance = chance

    async def __call__(
        self, run: Run, provider: Provider, attempt: Attempt, verdict: Verdict | None
    ) -> None:
        """`verdict` is what the answer says, where one came."""
        request, sent, config, outcome = attempt
        health = _health(outcome)
        if isinstance(outcome, AnswerLost):
            await self._in_doubt(run, provider, request, outcome.reason, health)
        elif isinstance(outcome, TransportError):
            await self._again(run, provider, request, "NOT_SENT", outcome.reason, health)
        elif verdict is not None:
            secrets = secrets_sent(sent, config)
            if verdict.outcome is Outcome.PARTLY:
                await self._divided(run, provider, request, outcome, verdict, secrets)
            else:
                detail = _detail(outcome, secrets)
                await self._answered(run, provider, request, outcome, verdict, detail)

    async def _answered(
        self,
        run: Run,
        provider: Provider,
        request: OpenRequest,
        answer: HttpResponse,
        verdict: Verdict,
        detail: str,
    ) -> None:
        outcome, health = verdict.outcome, _health(answer)
        reason = ESP_REFUSED if is_success(answer) else f"HTTP_{answer.status}"
        if outcome is Outcome.HALVE:
            await run.keep(request, tuple(_halves(request)), health=health)
        elif outcome is Outcome.PAUSE_CAMPAIGN:
            await self._pause_campaign(run, request, detail)
        elif outcome is Outcome.IN_DOUBT:
            unreadable = f"what the ESP answered cannot be read: {detail}"
            await run.lose(request, unreadable, health=health, reason=ANSWER_UNREADABLE)
        elif outcome is Outcome.RETRY:
            await self._pause_provider(run, provider, answer.status, verdict.wait_seconds)
            if is_success(answer):
                request = _renewed(request)
            await self._again(run, provider, request, reason, detail, health)
        else:
            await self._give_up(run, request, reason, detail, health)

    async def _divided(
        self,
        run: Run,
        provider: Provider,
        request: OpenRequest,
        answer: HttpResponse,
        verdict: Verdict,
        secrets: Iterable[str],
    ) -> None:
        """Some messages were taken and others not; the rest goes again in a request of its own.

        A refusal says nothing about an earlier attempt whose answer was lost.
        """
        await self._pause_provider(run, provider, answer.status, verdict.wait_seconds)
        rest = [part for part in verdict.parts if part.outcome is Outcome.RETRY]
        later = self._later(provider, request, "") if rest else None
        shares = Shares(
            health=_health(answer), esp_messages=esp_messages(verdict, provider.config, run)
        )
        if later is not None:
            ordinals = tuple(part.ordinal for part in rest)
            shares.later = replace(_renewed(later), ordinals=ordinals)
        for part in verdict.parts:
            if part.outcome is Outcome.ACCEPTED:
                shares.accepted.append(part.ordinal)
            elif part.outcome is Outcome.REFUSED or later is None:
                detail = _part_detail(part, secrets)
                if request.doubtful:
                    shares.settle(part.ordinal, MessageState.UNKNOWN, ANSWER_LOST, detail)
                else:
                    shares.settle(part.ordinal, MessageState.REJECTED, ESP_REFUSED, detail)
        await run.divide(request, shares, at=self._clock.now())

    async def _again(
        self,
        run: Run,
        provider: Provider,
        request: OpenRequest,
        reason: str,
        detail: str,
        health: str,
    ) -> None:
        """The ESP took nothing: the request goes again later, as long as the rules let it."""
        later = self._later(provider, request, health)
        if later is None:
            await self._give_up(run, request, reason, f"gave up: {detail}", health)
        else:
            await run.keep(request, (later,), health=health)

    async def _in_doubt(
        self, run: Run, provider: Provider, request: OpenRequest, detail: str, health: str
    ) -> None:
        later = self._later(provider, request, health)
        if run.claim.guarantee is DeliveryGuarantee.AT_MOST_ONCE or later is None:
            await run.lose(request, detail, health=health)
        else:
            await run.keep(request, (replace(later, doubtful=True),), health=health)

    async def _give_up(
        self, run: Run, request: OpenRequest, reason: str, detail: str, health: str
    ) -> None:
        """A refusal says nothing about an earlier attempt whose answer was lost."""
        if request.doubtful:
            await run.lose(request, detail, health=health)
        else:
            await run.refuse(request, reason, detail, at=self._clock.now(), health=health)

    def _later(self, provider: Provider, request: OpenRequest, health: str) -> OpenRequest | None:
        """The request as it is to be sent again; None where it has been tried enough."""
        now, limits = self._clock.now(), provider.config.limits
        if provider.circuit.opened and health:
            # It went out to see whether the ESP is back, which is no fault of its own.
            return replace(request, posting=False, attempts=request.attempts - 1)
        at = retry_at(
            attempts=request.attempts,
            first_attempt_at=now if request.first_attempt_at is None else request.first_attempt_at,
            now=now,
            delay=backoff(request.attempts, self._chance()),
            limits=limits,
        )
        return None if at is None else replace(request, posting=False, not_before=at)

    async def _pause_provider(
        self, run: Run, provider: Provider, status: int, seconds: float | None
    ) -> None:
        """What the ESP asks for holds for the provider as a whole, and so for every worker."""
        if seconds is not None:
            run.stopped = True
            reason = f"the ESP answered {status} and asked to wait"
            until = self._clock.now() + seconds
            await patiently(
                lambda: self._providers.pause(provider.provider_id, until=until, reason=reason)
            )

    async def _pause_campaign(self, run: Run, request: OpenRequest, detail: str) -> None:
        """The configuration is at fault, so the attempt does not count against the messages."""
        run.stopped = True

        def pause(state: CampaignState) -> tuple[CampaignState, str] | None:
            if state is not CampaignState.SENDING:
                # Another request of the campaign got the same answer first.
                return None
            return CampaignState.PAUSED, f"the ESP refused the request itself: {detail}"

        # First: whoever sees that nothing is in flight any more may resume, and must not be
        # overtaken by a pause of before.
        await patiently(lambda: self._campaigns.change_state(run.chunk.campaign_number, pause))
        again = replace(request, posting=False, attempts=request.attempts - 1)
        await run.keep(request, (again,), health="")


def _health(outcome: HttpResponse | TransportError) -> str:
    """What the attempt says of the ESP's health, as `Step.health` has it."""
    if isinstance(outcome, TransportError):
        return outcome.reason
    status = outcome.status
    failed = status >= _FIRST_SERVER_ERROR or status == _REQUEST_TIMEOUT
    return f"the ESP answered {status}" if failed else ""


def _renewed(request: OpenRequest) -> OpenRequest:
    """The request under another key: for the present one the ESP may answer as it did."""
    return replace(request, predecessors=request.predecessors + 1)


def _halves(request: OpenRequest) -> Iterator[OpenRequest]:
    middle = (len(request.ordinals) + 1) // 2
    for ordinals in (request.ordinals[:middle], request.ordinals[middle:]):
        yield OpenRequest(
            ordinals=ordinals,
            provider_version=request.provider_version,
            omitted=request.omitted,
            doubtful=request.doubtful,
        )


def _detail(answer: HttpResponse, secrets: Iterable[str]) -> str:
    text = answer.body.decode("utf-8", "replace")
    return f"{answer.status} {_printable(text, secrets)}".strip()


def _part_detail(part: Part, secrets: Iterable[str]) -> str:
    reason = _printable(part.reason, secrets).strip() or "the ESP did not say why"
    return reason if part.outcome is Outcome.REFUSED else f"gave up: {reason}"


def _printable(text: str, secrets: Iterable[str]) -> str:
    # Masked before it is cut: a part of a secret would not be found any more.
    masked = mask_echoes(text, secrets)[:_DETAIL_CHARACTERS]
    # An ESP's text is shown on terminals, and no text column takes NUL.
    return "".join(each if each.isprintable() else " " for each in masked)
