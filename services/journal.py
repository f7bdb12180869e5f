"""Makes the steps of many runs durable together."""

import asyncio

from services.patience import patiently
from services.ports import Recorded, Step, WorkQueue


class Journal:
    """Groups steps by commit: what comes while one commit runs shares the next, without a timer.

    A commit costs a flush to disk whatever it holds; sixty-four requests in flight cost two flushes
    in this way, not a hundred and twenty-eight.
    """

    def __init__(self, queue: WorkQueue) -> None:
        self._queue = queue
        self._waiting: list[tuple[Step, asyncio.Future[Recorded]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def record(self, step: Step) -> Recorded:
        """Returns once the step is durable, or why it was not stored.

        A database that is busy or full is waited for: a step that was done is never given up.
        """
        future: asyncio.Future[Recorded] = asyncio.get_running_loop().create_future()
        self._waiting.append((step, future))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        return await future

    async def _write(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting, []
                await self._commit(group)
        finally:
            self._writer = None

    async def _commit(self, group: list[tuple[Step, asyncio.Future[Recorded]]]) -> None:
        try:
            steps = [step for step, _ in group]
            stored = await patiently(lambda: self._queue.record(steps))
        except BaseException as error:
            for _, future in group:
                if not future.done():
                    future.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for (_, future), result in zip(group, stored, strict=True):
            if not future.done():
                future.set_result(result)
