"""One attempt at one request, and what follows from the answer."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from domain.campaign import CampaignState, DeliveryGuarantee
from domain.chunk import OpenRequest
from domain.http import AnswerLost, HttpRequest, HttpResponse, NotSent
from domain.idempotency import request_key, with_key
from domain.masking import mask_echoes, secrets_sent
from domain.message_id import MessageIds
from domain.provider import Limits, Provider
from domain.retry import Outcome, backoff, classify, retry_after, retry_at
from services.ports import CampaignRepository, Clock, ProviderRepository, Transport
from services.run import Run

# As much of an ESP's answer as tells a person what was wrong.
_DETAIL_CHARACTERS = 500


class PostRequest:
    """Records the intent, posts, and records the outcome.

    `chance` gives uniform numbers in [0, 1), for the jitter of retries.
    """

    def __init__(
        self,
        *,
        transport: Transport,
        providers: ProviderRepository,
        campaigns: CampaignRepository,
        message_ids: MessageIds,
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        self._transport = transport
        self._providers = providers
        self._campaigns = campaigns
        self._message_ids = message_ids
        self._clock = clock
        self._chance = chance

    async def __call__(
        self, run: Run, provider: Provider, request: OpenRequest, rendered: HttpRequest
    ) -> None:
        """One attempt. Of a new `request` nothing reaches the ESP before its intent is durable."""
        places = provider.config.limits.max_in_flight
        posting = await run.begin(request, places=places, at=self._clock.now())
        if posting is None:
            return
        keyed = with_key(
            rendered,
            provider.config.idempotency_key,
            request_key(self._message_ids, run.chunk.campaign_number, posting),
        )
        limits = provider.config.limits
        try:
            answer = await self._transport.send(keyed, timeout_seconds=limits.timeout_seconds)
        except NotSent as error:
            await self._again(run, posting, limits, "NOT_SENT", error.reason)
        except AnswerLost as error:
            await self._in_doubt(run, posting, limits, error.reason)
        else:
            taken = 200 <= answer.status < 300
            detail = "" if taken else _detail(answer, secrets_sent(keyed, provider.config))
            await self._answered(run, provider, posting, answer, detail)

    async def _answered(
        self,
        run: Run,
        provider: Provider,
        request: OpenRequest,
        answer: HttpResponse,
        detail: str,
    ) -> None:
        outcome = classify(answer.status, messages=len(request.ordinals))
        reason = f"HTTP_{answer.status}"
        if outcome is Outcome.ACCEPTED:
            await run.accept(request, at=self._clock.now())
        elif outcome is Outcome.HALVE:
            await run.keep(request, tuple(_halves(request)))
        elif outcome is Outcome.PAUSE_CAMPAIGN:
            await self._pause_campaign(run, request, detail)
        elif outcome is Outcome.RETRY:
            await self._pause_provider(run, provider, answer)
            await self._again(run, request, provider.config.limits, reason, detail)
        else:
            await self._give_up(run, request, reason, detail)

    async def _again(
        self, run: Run, request: OpenRequest, limits: Limits, reason: str, detail: str
    ) -> None:
        """The ESP took nothing: the request goes again later, as long as the rules let it."""
        again = self._retry_at(request, limits)
        if again is None:
            await self._give_up(run, request, reason, f"gave up: {detail}")
        else:
            await run.keep(request, (replace(request, posting=False, not_before=again),))

    async def _in_doubt(self, run: Run, request: OpenRequest, limits: Limits, detail: str) -> None:
        again = self._retry_at(request, limits)
        if run.claim.guarantee is DeliveryGuarantee.AT_MOST_ONCE or again is None:
            await run.lose(request, detail)
        else:
            doubtful = replace(request, posting=False, doubtful=True, not_before=again)
            await run.keep(request, (doubtful,))

    async def _give_up(self, run: Run, request: OpenRequest, reason: str, detail: str) -> None:
        """A refusal says nothing about an earlier attempt whose answer was lost."""
        if request.doubtful:
            await run.lose(request, detail)
        else:
            await run.refuse(request, reason, detail, at=self._clock.now())

    def _retry_at(self, request: OpenRequest, limits: Limits) -> float | None:
        now = self._clock.now()
        return retry_at(
            attempts=request.attempts,
            first_attempt_at=now if request.first_attempt_at is None else request.first_attempt_at,
            now=now,
            delay=backoff(request.attempts, self._chance()),
            limits=limits,
        )

    async def _pause_provider(self, run: Run, provider: Provider, answer: HttpResponse) -> None:
        """`Retry-After` holds for the provider as a whole, and so for every worker."""
        now = self._clock.now()
        seconds = retry_after(answer.header("Retry-After") or "", now=now)
        if seconds is not None:
            run.stopped = True
            reason = f"the ESP answered {answer.status} with Retry-After"
            await self._providers.pause(provider.provider_id, until=now + seconds, reason=reason)

    async def _pause_campaign(self, run: Run, request: OpenRequest, detail: str) -> None:
        """The configuration is at fault, so the attempt does not count against the messages."""
        run.stopped = True
        again = replace(request, posting=False, attempts=request.attempts - 1)
        await run.keep(request, (again,))

        def pause(state: CampaignState) -> tuple[CampaignState, str] | None:
            if state is not CampaignState.SENDING:
                # Another request of the campaign got the same answer first.
                return None
            return CampaignState.PAUSED, f"the ESP refused the request itself: {detail}"

        await self._campaigns.change_state(run.chunk.campaign_number, pause)


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
    # Masked before it is cut: a part of a secret would not be found any more.
    text = mask_echoes(answer.body.decode("utf-8", "replace"), secrets)
    # An ESP's text is shown on terminals, and no text column takes NUL.
    printable = "".join(each if each.isprintable() else " " for each in text[:_DETAIL_CHARACTERS])
    return f"{answer.status} {printable}".strip()
