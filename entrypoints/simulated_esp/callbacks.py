"""Posting callbacks for accepted messages, over a few connections and with retries."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import NamedTuple

import aiohttp
import orjson

from entrypoints.simulated_esp.backlog import Backlog, CallbackCounts, Entry, Tally, encoded
from entrypoints.simulated_esp.behaviour import Behaviour
from entrypoints.simulated_esp.payload import Message

_CONNECTIONS = 4
_TIMEOUT = aiohttp.ClientTimeout(total=30)
_HEADERS = {"Content-Type": "application/json", "User-Agent": "espalier-simulated-esp"}
# Waits before retries, in seconds: 0.1, 0.2, 0.4 and so on, up to the longest.
_FIRST_WAIT = 0.1
_LONGEST_WAIT = 30.0


class _Verdict(NamedTuple):
    """What one attempt came to; `retry_after` is in seconds."""

    is_final: bool
    acknowledged: bool
    retry_after: float = 0.0
    unprocessed: int = 0


_TRY_AGAIN = _Verdict(False, False)


class CallbackPoster:
    """Posts v2 callbacks; the events of one message go out one after the other.

    `behaviour` is asked each time, so what changes at run time counts from then on.
    """

    def __init__(self, behaviour: Callable[[], Behaviour]) -> None:
        self._behaviour = behaviour
        self._backlog = Backlog()
        self._wake = asyncio.Event()
        self._settled = asyncio.Event()
        self._draining = False
        self._session: aiohttp.ClientSession | None = None
        self._workers: list[asyncio.Task[None]] = []
        self._rng = random.Random()  # noqa: S311 - it spreads retries, it keeps no secret.

    def start(self) -> None:
        connector = aiohttp.TCPConnector(limit=_CONNECTIONS)
        session = aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT, headers=_HEADERS)
        self._session = session
        self._workers = [asyncio.create_task(self._work(session)) for _ in range(_CONNECTIONS)]

    async def stop(self, within: float) -> None:
        """Post what is waiting, without its delays, for at most `within` seconds."""
        self._draining = True
        self._wake.set()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await self._until_settled()
        finally:
            await self._end()

    def has_room_for(self, messages: int) -> bool:
        """Whether so many messages may be added; an empty backlog takes any number."""
        waiting = len(self._backlog)
        return waiting == 0 or waiting + messages <= self._behaviour().callbacks.backlog

    def add(self, messages: Iterable[Message]) -> None:
        """Plan the callbacks of accepted messages; without a callback URL there are none."""
        behaviour = self._behaviour()
        if behaviour.callbacks.url:
            due, timestamp = self._next_due(), int(time.time())
            for message in messages:
                self._backlog.plan(message, behaviour, due, timestamp)
            self._wake.set()

    def reset(self) -> None:
        """Forget all counts and all callbacks that wait."""
        self._backlog.reset()
        self._settled.set()

    def counts(self) -> CallbackCounts:
        return self._backlog.tally.counts()

    async def _end(self) -> None:
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _until_settled(self) -> None:
        while self._backlog.tally.pending:
            self._settled.clear()
            await self._settled.wait()

    async def _work(self, session: aiohttp.ClientSession) -> None:
        while True:
            batch = await self._next_batch()
            tally = self._backlog.tally
            acknowledged = await self._post(session, batch, tally)
            if tally is self._backlog.tally:  # Else it was reset, and the batch is forgotten.
                self._note(batch, acknowledged)

    def _note(self, batch: Sequence[Entry], acknowledged: bool) -> None:
        if acknowledged:
            self._backlog.settle(batch, self._next_due(), int(time.time()))
        else:
            self._backlog.give_up(batch)
        self._wake.set()
        self._settled.set()

    async def _next_batch(self) -> list[Entry]:
        while True:
            # While draining, everything is due.
            now = float("inf") if self._draining else _now()
            batch = self._backlog.take(self._behaviour().callbacks.batch, now)
            if batch:
                return batch
            self._wake.clear()
            due = self._backlog.next_due()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._wake.wait()

    async def _post(
        self, session: aiohttp.ClientSession, batch: Sequence[Entry], tally: Tally
    ) -> bool:
        """Post until it is acknowledged, refused for good, or has been tried often enough."""
        body = encoded(batch)
        plan = self._behaviour().callbacks
        for attempt in range(plan.attempts):
            tally.requests += 1
            tally.retries += attempt > 0
            tally.posted += len(batch)
            verdict = await _post_once(session, self._url(plan.url), body)
            tally.unprocessed += verdict.unprocessed
            if verdict.is_final:
                return verdict.acknowledged
            await asyncio.sleep(self._wait(attempt, verdict.retry_after))
        return False

    def _url(self, planned: str) -> str:
        # A batch that is under way when the URL is taken away still goes where it was meant to.
        return self._behaviour().callbacks.url or planned

    def _wait(self, attempt: int, asked: float) -> float:
        backoff = min(_FIRST_WAIT * 2.0**attempt, _LONGEST_WAIT) * self._rng.uniform(0.5, 1)
        return max(backoff, min(asked, _LONGEST_WAIT))

    def _next_due(self) -> float:
        return _now() + self._behaviour().callbacks.delay


async def _post_once(session: aiohttp.ClientSession, url: str, body: bytes) -> _Verdict:
    try:
        async with session.post(url, data=body, allow_redirects=False) as response:
            content = await response.read()
    except (aiohttp.ClientError, TimeoutError, OSError):
        return _TRY_AGAIN
    if response.status == 429 or response.status >= 500:
        return _TRY_AGAIN._replace(
            retry_after=_retry_after(response.headers.get("Retry-After", ""))
        )
    acknowledged = 200 <= response.status < 300
    return _Verdict(True, acknowledged, unprocessed=_unprocessed(content))


def _now() -> float:
    return asyncio.get_running_loop().time()


def _retry_after(value: str) -> float:
    """Return the seconds that a Retry-After header asks for; 0 where there is none to be read."""
    try:
        return max(0.0, float(value) if value.isdigit() else _seconds_until(value))
    except (TypeError, ValueError):
        return 0.0


def _seconds_until(date: str) -> float:
    return parsedate_to_datetime(date).timestamp() - time.time()


def _unprocessed(content: bytes) -> int:
    """Return how many events the receiver says that it could not use."""
    try:
        events = orjson.loads(content)["UNPROCESSED_EVENTS"]
        return len(events)
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return 0
