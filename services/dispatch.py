"""Sends what is open of one leased chunk."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial

from domain.address import address_key
from domain.chunk import OpenRequest
from domain.http import HttpRequest
from domain.message import MessageState
from domain.message_id import MessageIds
from domain.provider import Provider, ProviderConfig
from domain.rendering import Rejection, RenderedRequest, Renderer
from services.journal import Journal
from services.ports import Claim, Clock, ProviderRepository, SuppressionRepository
from services.post_request import PostRequest
from services.run import Run


class DispatchChunk:
    """Posts the requests of a claim, several at a time, and records what becomes of each."""

    def __init__(
        self,
        *,
        journal: Journal,
        providers: ProviderRepository,
        suppressions: SuppressionRepository,
        post: PostRequest,
        message_ids: MessageIds,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._providers = providers
        self._suppressions = suppressions
        self._post = post
        self._message_ids = message_ids
        self._clock = clock

    async def __call__(self, claim: Claim, stopping: asyncio.Event) -> None:
        """Runs until nothing of the chunk can be sent now, or until `stopping` is set.

        What is in flight is always waited for, so that an orderly stop leaves nothing in doubt.
        """
        provider = await self._providers.by_id(claim.provider_id)
        run = Run(claim, self._journal, provider=provider.config.nickname)
        run.forget(_open_of(run, claim.settled))
        if claim.send_before is not None and self._clock.now() >= claim.send_before:
            await self._expire(run)
        omitted = await self._leave_out(run, provider)
        while self._is_due(run) and not (run.stopped or stopping.is_set()):
            await self._post_all(run, provider, omitted, stopping)
        if not run.lost:
            await run.release()

    def _is_due(self, run: Run) -> bool:
        """Also a request that was halved a moment ago is due."""
        return run.chunk.open != 0 and run.chunk.not_before() <= self._clock.now()

    async def _expire(self, run: Run) -> None:
        """Drops all that has not left. What is in doubt has left, and is repeated or lost."""
        for request in run.chunk.requests:
            if not request.doubtful:
                run.dissolve(request)
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
        found = await self._suppressions.suppressed({*by_key, *copies.values()})
        suppressed = sorted(by_key[key] for key in found if key in by_key)
        for request in run.chunk.requests:
            stale = request.provider_version != provider.version
            if not request.doubtful and (stale or _cannot_repeat(run, request, suppressed)):
                run.dissolve(request)
        await run.settle_unsent(suppressed, MessageState.SUPPRESSED, "ADDRESS_SUPPRESSED")
        return tuple(sorted(email for email, key in copies.items() if key in found))

    async def _post_all(
        self, run: Run, provider: Provider, omitted: tuple[str, ...], stopping: asyncio.Event
    ) -> None:
        places = asyncio.Semaphore(provider.config.limits.max_in_flight)
        async with asyncio.TaskGroup() as flights:
            async for request, rendered in self._requests(run, provider, omitted):
                await places.acquire()
                if run.stopped or stopping.is_set():
                    break
                flight = flights.create_task(self._post(run, provider, request, rendered))
                flight.add_done_callback(lambda _: places.release())

    async def _requests(
        self, run: Run, provider: Provider, omitted: tuple[str, ...]
    ) -> AsyncIterator[tuple[OpenRequest, HttpRequest]]:
        """The requests that are due: those to be repeated, then new ones, rendered as they go."""
        now = self._clock.now()
        unformed = tuple(run.chunk.unformed_ordinals())
        for request in run.chunk.requests:
            if request.not_before <= now:
                config = await self._config(provider, request.provider_version)
                yield request, _repeat(self._renderer(run, config), run, request)
        renderer = self._renderer(run, provider.config)
        for made in _render(renderer, run, unformed, omitted):
            if isinstance(made, Rejection):
                rejected = MessageState.REJECTED
                await run.settle_unsent([made.ordinal], rejected, made.reason, made.message)
            else:
                yield (
                    OpenRequest(
                        ordinals=made.ordinals, provider_version=provider.version, omitted=omitted
                    ),
                    made.request,
                )

    async def _config(self, provider: Provider, version: int) -> ProviderConfig:
        if version == provider.version:
            return provider.config
        return await self._providers.version(provider.provider_id, version)

    def _renderer(self, run: Run, config: ProviderConfig) -> Renderer:
        number = run.chunk.campaign_number
        return Renderer(
            config,
            run.claim.content,
            campaign_id=str(number),
            message_ids=partial(self._message_ids.campaign_messages, number),
        )


def _cannot_repeat(run: Run, request: OpenRequest, suppressed: Sequence[int]) -> bool:
    """Whether a message of a request is no longer to be sent, so that the request cannot repeat."""
    still_open = set(run.chunk.open_ordinals()).difference(suppressed)
    return not still_open.issuperset(request.ordinals)


def _open_of(run: Run, settled: frozenset[int]) -> tuple[int, ...]:
    """The ordinals that a callback has settled, less those whose request is in doubt."""
    return tuple(settled.intersection(run.chunk.unposted_ordinals()))


def _repeat(renderer: Renderer, run: Run, request: OpenRequest) -> HttpRequest:
    """The same bytes as before: rendering is a function of what is stored."""
    (made,) = _render(renderer, run, request.ordinals, request.omitted)
    if isinstance(made, Rejection):
        raise RuntimeError(f"a request that was posted cannot be made again: {made.message}")
    return made.request


def _render(
    renderer: Renderer, run: Run, ordinals: Sequence[int], omitted: Sequence[str]
) -> Iterator[RenderedRequest | Rejection]:
    content = run.claim.content
    return renderer.render(
        [(ordinal, run.recipient(ordinal)) for ordinal in ordinals],
        cc=[email for email in content.cc if email not in omitted],
        bcc=[email for email in content.bcc if email not in omitted],
    )
