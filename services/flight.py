"""The requests of one run that are on their way, from their intents to their outcomes."""

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import chain
from typing import NamedTuple

from domain.answer import PLAIN, TAKEN, Verdict, is_success
from domain.chunk import OpenRequest
from domain.http import HttpRequest, Landed, TransportBroken, TransportError
from domain.idempotency import request_key, with_key
from domain.message_id import MessageIds
from domain.provider import Provider, ProviderConfig
from domain.retry import Outcome
from services.answers import esp_messages, verdict_on
from services.places import Places
from services.ports import Clock, EspMessage, Transport
from services.run import Run
from services.settle_request import Attempt, SettleRequest


class Rendered(NamedTuple):
    """A request of a chunk, what is sent for it, and the configuration that it is made from.

    That is an earlier one where the request is repeated and the provider was changed since.
    """

    request: OpenRequest
    sent: HttpRequest
    config: ProviderConfig


class Flight:
    """Posts windows of requests, and records what has come back of them, many at a time.

    What lands while one commit runs shares the next, and so do the intents of the next window: the
    cost of both is divided by their number, without a timer.
    """

    def __init__(
        self,
        run: Run,
        provider: Provider,
        *,
        transport: Transport,
        message_ids: MessageIds,
        places: Places,
        settle: SettleRequest,
        clock: Clock,
    ) -> None:
        self._run = run
        self._provider = provider
        self._transport = transport
        self._message_ids = message_ids
        self._places = places
        self._settle = settle
        self._clock = clock
        # Where the provider does not say how to read an answer, a 2xx is not even looked at.
        self._is_plain = provider.config.answer == PLAIN
        self._landed: list[Attempt] = []
        self._broken: TransportBroken | None = None
        self._aloft = 0
        self._is_last = False
        self._news = asyncio.Event()

    async def post(self, window: Sequence[Rendered], *, max_in_flight: int) -> None:
        """Posts these, for which places are taken; nothing leaves before its intent is durable.

        Those that may not leave after all are the last ones, and give their places back.
        """
        provider_id, config = self._provider.provider_id, self._provider.config
        timeout, number = config.limits.timeout_seconds, self._run.chunk.campaign_number
        posting = await self._run.begin(
            [each.request for each in window], places=max_in_flight, at=self._clock.now()
        )
        self._places.give_back(provider_id, len(window) - len(posting))
        self._aloft += len(posting)
        for request, (_, sent, made_from) in zip(posting, window, strict=False):
            key = request_key(self._message_ids, number, request)
            keyed = with_key(sent, made_from.idempotency_key, key)
            landed = partial(self._land, request, keyed, made_from)
            self._transport.start(keyed, timeout_seconds=timeout, landed=landed)

    def end(self) -> None:
        """Nothing more is posted."""
        self._is_last = True
        self._news.set()

    async def settle(self) -> None:
        """Records outcomes until the last one. Raises TransportBroken."""
        async with asyncio.TaskGroup() as others:
            while self._aloft or not self._is_last:
                await self._news.wait()
                self._news.clear()
                if self._broken is not None:
                    raise self._broken
                landed, self._landed = self._landed, []
                self._aloft -= len(landed)
                taken: list[tuple[OpenRequest, Verdict]] = []
                for attempt in landed:
                    verdict = self._verdict(attempt)
                    if verdict is not None and verdict.outcome is Outcome.ACCEPTED:
                        taken.append((attempt.request, verdict))
                    else:
                        others.create_task(self._settle_one(attempt, verdict))
                await self._accept(taken)

    def _land(
        self, request: OpenRequest, sent: HttpRequest, config: ProviderConfig, outcome: Landed
    ) -> None:
        if isinstance(outcome, TransportBroken):
            self._broken = outcome
        else:
            self._landed.append(Attempt(request, sent, config, outcome))
        self._news.set()

    def _verdict(self, attempt: Attempt) -> Verdict | None:
        """None where no answer came."""
        answer = attempt.outcome
        if isinstance(answer, TransportError):
            return None
        of_now = attempt.config is self._provider.config
        if self._is_plain and of_now and is_success(answer):
            return TAKEN
        now = self._clock.now()
        return verdict_on(answer, attempt.config, self._run, attempt.request, now=now)

    async def _accept(self, taken: Sequence[tuple[OpenRequest, Verdict]]) -> None:
        if taken:
            # The step is handed in before anybody else runs: the intent that takes one of these
            # places comes behind it, and there are never more in flight than may be.
            self._places.give_back(self._provider.provider_id, len(taken))
            requests = [request for request, _ in taken]
            ids = () if self._is_plain else self._esp_messages(verdict for _, verdict in taken)
            await self._run.accept(requests, at=self._clock.now(), esp_messages=ids)

    def _esp_messages(self, verdicts: Iterable[Verdict]) -> tuple[EspMessage, ...]:
        said = (esp_messages(each, self._provider.config, self._run) for each in verdicts)
        return tuple(chain.from_iterable(said))

    async def _settle_one(self, attempt: Attempt, verdict: Verdict | None) -> None:
        try:
            await self._settle(self._run, self._provider, attempt, verdict)
        finally:
            self._places.give_back(self._provider.provider_id, 1)
