"""Sends what is open of one leased chunk."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import TypeAlias

from domain.address import address_key
from domain.chunk import CHUNK_SIZE, OpenRequest
from domain.message import MessageState
from domain.pace import SMOOTH_SECONDS
from domain.provider import Batch, Limits, Provider, ProviderConfig, with_secrets_of
from domain.rendering import Rejection, RenderedRequest, Renderer
from domain.stored_secrets import server_of
from services.flight import Flight, Rendered
from services.journal import Journal
from services.patience import patiently
from services.places import Places
from services.ports import Claim, Clock, Limiter, ProviderRepository, SuppressionRepository
from services.renderers import Renderers
from services.run import Run
from services.slots import Slots

# A chunk of a slow or limited provider takes minutes; what changes meanwhile holds after this.
_ROUND_SECONDS = 5.0
# After a wait of so many seconds somebody may be suppressed, or a message too late.
_LONG_WAIT_SECONDS = 0.5

NewFlight: TypeAlias = Callable[[Run, Provider], Flight]


class DispatchChunk:
    """Posts the requests of a claim, several at a time, and records what becomes of each."""

    def __init__(
        self,
        *,
        journal: Journal,
        providers: ProviderRepository,
        suppressions: SuppressionRepository,
        limiter: Limiter,
        places: Places,
        renderers: Renderers,
        flights: NewFlight,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._providers = providers
        self._suppressions = suppressions
        self._slots = Slots(limiter)
        self._places = places
        self._renderers = renderers
        self._flights = flights
        self._clock = clock

    async def __call__(self, claim: Claim, stopping: asyncio.Event) -> None:
        """Runs until nothing of the chunk can be sent now, or until `stopping` is set.

        What is in flight is always waited for, so that an orderly stop leaves nothing in doubt.
        """
        provider = await self._provider(claim)
        run = Run(claim, self._journal, provider=provider.config.nickname)
        await run.forget(_open_of(run, claim.settled), at=self._clock.now())
        while self._is_due(run) and not (run.stopped or stopping.is_set()):
            await self._round(run, provider, stopping)
            if run.chunk.open:
                provider = await self._provider(claim)
        if not run.lost:
            await run.release()

    async def _round(self, run: Run, provider: Provider, stopping: asyncio.Event) -> None:
        """Sends for some seconds, by the suppressions as they are now."""
        if self._is_late(run):
            await self._expire(run)
        omitted = await self._leave_out(run, provider)
        await self._post_all(run, provider, omitted, stopping)

    def _is_due(self, run: Run) -> bool:
        """Also a request that was halved a moment ago is due."""
        return run.chunk.open != 0 and run.chunk.is_due(self._clock.now())

    def _is_late(self, run: Run) -> bool:
        send_before = run.claim.send_before
        return send_before is not None and self._clock.now() >= send_before

    async def _expire(self, run: Run) -> None:
        """Drops all that has not left. What is in doubt has left, and is repeated or lost."""
        await run.dissolve([r for r in run.chunk.requests if not r.doubtful])
        unsent = tuple(run.chunk.unformed_ordinals())
        await run.settle_unsent(unsent, MessageState.EXPIRED, "SEND_BEFORE_PASSED")

    async def _leave_out(self, run: Run, provider: Provider) -> tuple[str, ...]:
        """Settles the suppressed messages; the cc and bcc addresses that are left out.

        A request that is in doubt stays as it was: it has left, and only the same bytes under the
        same key let an ESP see that it is a repeat.
        """
        content = run.claim.content
        by_key = {address_key(run.recipient(o).email): o for o in run.chunk.unposted_ordinals()}
        # One address may stand in both lists, spelled in two ways.
        copies = {email: address_key(email) for email in (*content.cc, *content.bcc)}
        keys = {*by_key, *copies.values()}
        found = await patiently(lambda: self._suppressions.suppressed(keys))
        suppressed = sorted(by_key[key] for key in found if key in by_key)
        await run.dissolve(
            [
                request
                for request in run.chunk.requests
                if not request.doubtful
                and (
                    request.provider_version != provider.version
                    or _cannot_repeat(run, request, suppressed)
                )
            ]
        )
        await run.settle_unsent(suppressed, MessageState.SUPPRESSED, "ADDRESS_SUPPRESSED")
        return tuple(sorted(email for email, key in copies.items() if key in found))

    async def _post_all(
        self, run: Run, provider: Provider, omitted: tuple[str, ...], stopping: asyncio.Event
    ) -> None:
        flight = self._flights(run, provider)
        due = await self._due(run, provider, omitted)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(flight.settle())
            try:
                await self._post_windows(run, provider, due, flight, stopping)
            finally:
                flight.end()

    async def _post_windows(
        self,
        run: Run,
        provider: Provider,
        due: Iterator[Rendered | Rejection],
        flight: Flight,
        stopping: asyncio.Event,
    ) -> None:
        began, provider_id = self._clock.now(), provider.provider_id
        # Limits are looked at for each window: who changes them does not wait for a round to end.
        limits = await self._slots.limits(provider_id)
        while window := await self._window(run, provider, limits, due):
            if not await self._may_leave(run, provider, window, stopping):
                self._places.give_back(provider_id, len(window))
                return
            limits = await self._slots.limits(provider_id)
            await flight.post(window, max_in_flight=limits.max_in_flight)
            # A clock that was put back would make a round of it that lasts for hours.
            if not began <= self._clock.now() < began + _ROUND_SECONDS:
                return

    async def _window(
        self, run: Run, provider: Provider, limits: Limits, due: Iterator[Rendered | Rejection]
    ) -> Sequence[Rendered]:
        """As many of the requests that are due as there are places for, which it holds."""
        provider_id = provider.provider_id
        places = await self._places.take(
            provider_id,
            limits.max_in_flight,
            most=run.slots or _at_once(limits, provider.config.batch),
            first=run.claim.is_small,
        )
        window: list[Rendered] = []
        rejected: list[Rejection] = []
        while len(window) < places and (made := next(due, None)) is not None:
            if isinstance(made, Rejection):
                rejected.append(made)
            else:
                window.append(made)
        self._places.give_back(provider_id, places - len(window))
        await run.reject(rejected)
        return window

    async def _may_leave(
        self,
        run: Run,
        provider: Provider,
        window: Sequence[Rendered],
        stopping: asyncio.Event,
    ) -> bool:
        """Waits for slots. After a long wait they are kept for the next round, which looks anew."""
        if run.stopped or stopping.is_set() or self._comes_late(run, window):
            return False
        if run.slots:
            run.slots -= len(window)
            return True
        waited = await self._slots.wait(
            provider.provider_id,
            requests=len(window),
            messages=sum(len(each.request.ordinals) for each in window),
            is_small=run.claim.is_small,
            stopping=stopping,
        )
        if waited is None:
            run.stopped = True
            return False
        if waited > _LONG_WAIT_SECONDS:
            run.slots = len(window)
            return False
        return not (stopping.is_set() or self._comes_late(run, window))

    def _comes_late(self, run: Run, window: Sequence[Rendered]) -> bool:
        """Whether it became too late while this window waited; what is in doubt has left before."""
        return self._is_late(run) and not all(each.request.doubtful for each in window)

    async def _due(
        self, run: Run, provider: Provider, omitted: tuple[str, ...]
    ) -> Iterator[Rendered | Rejection]:
        """The requests that are due: those to be repeated, then new ones, rendered as they go."""
        now = self._clock.now()
        unformed = tuple(run.chunk.unformed_ordinals())
        again: list[tuple[OpenRequest, ProviderConfig]] = []
        for request in run.chunk.requests:
            if request.is_due(now):
                config = await self._config(provider, request.provider_version)
                again.append((request, config))
        renderer = self._renderer(run, provider.version, provider.config)
        return chain(
            (
                _repeat(self._renderer(run, r.provider_version, config), run, r, config)
                for r, config in again
            ),
            _form(renderer, run, unformed, provider=provider, omitted=omitted),
        )

    async def _config(self, provider: Provider, version: int) -> ProviderConfig:
        if version == provider.version:
            return provider.config
        of_then = await patiently(lambda: self._providers.version(provider.provider_id, version))
        present = provider.config
        if server_of(of_then.http_endpoint) != server_of(present.http_endpoint):
            # To another ESP, which must not see the present keys, and answers in its own way.
            return of_then
        # A key that was changed since must not keep a request from ever being repeated, and a
        # mapping may have been corrected.
        return replace(with_secrets_of(present, of_then), answer=present.answer)

    async def _provider(self, claim: Claim) -> Provider:
        return await patiently(lambda: self._providers.by_id(claim.provider_id))

    def _renderer(self, run: Run, version: int, config: ProviderConfig) -> Renderer:
        number = run.chunk.campaign_number
        return self._renderers.of(number, run.claim.content, version=version, config=config)


def _cannot_repeat(run: Run, request: OpenRequest, suppressed: Sequence[int]) -> bool:
    """Whether a message of a request is no longer to be sent, so that the request cannot repeat."""
    still_open = set(run.chunk.open_ordinals()).difference(suppressed)
    return not still_open.issuperset(request.ordinals)


def _open_of(run: Run, settled: frozenset[int]) -> tuple[int, ...]:
    """The ordinals that a callback has settled, less those whose request is in doubt."""
    return tuple(settled.intersection(run.chunk.unposted_ordinals()))


def _at_once(limits: Limits, batch: Batch | None) -> int:
    """How many requests may leave together without making the provider's rate uneven."""
    per_request = batch.max_messages if batch else 1
    most = CHUNK_SIZE
    if limits.max_requests_per_second is not None:
        most = min(most, int(SMOOTH_SECONDS * limits.max_requests_per_second))
    if limits.max_messages_per_second is not None:
        most = min(most, int(SMOOTH_SECONDS * limits.max_messages_per_second / per_request))
    return max(1, most)


def _repeat(renderer: Renderer, run: Run, request: OpenRequest, config: ProviderConfig) -> Rendered:
    """The same bytes as before: rendering is a function of what is stored."""
    (made,) = _render(renderer, run, request.ordinals, request.omitted)
    if isinstance(made, Rejection):
        raise RuntimeError(f"a request that was posted cannot be made again: {made.message}")
    return Rendered(request, made.request, config)


def _form(
    renderer: Renderer,
    run: Run,
    ordinals: Sequence[int],
    *,
    provider: Provider,
    omitted: tuple[str, ...],
) -> Iterator[Rendered | Rejection]:
    for made in _render(renderer, run, ordinals, omitted):
        if isinstance(made, Rejection):
            yield made
        else:
            request = OpenRequest(
                ordinals=made.ordinals, provider_version=provider.version, omitted=omitted
            )
            yield Rendered(request, made.request, provider.config)


def _render(
    renderer: Renderer, run: Run, ordinals: Sequence[int], omitted: Sequence[str]
) -> Iterator[RenderedRequest | Rejection]:
    content = run.claim.content
    return renderer.render(
        [(ordinal, run.recipient(ordinal)) for ordinal in ordinals],
        cc=[email for email in content.cc if email not in omitted],
        bcc=[email for email in content.bcc if email not in omitted],
    )
