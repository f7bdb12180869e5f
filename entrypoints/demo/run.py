"""Starting the demo's processes, playing its scenario, and ending them whatever happens."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final, TypeVar

import aiohttp
import grpc

from entrypoints.cli.client import CHANNEL_OPTIONS, Client
from entrypoints.demo.child import Child, running
from entrypoints.demo.esp import Esp
from entrypoints.demo.failure import DemoFailed
from entrypoints.demo.files import Workplace
from entrypoints.demo.report import Outcome
from entrypoints.demo.scenario import Scenario
from entrypoints.demo.view import View

# Seconds until both processes listen: a slow machine imports for a while.
_READY_WITHIN: Final = 60.0

_SERVICE: Final = "espalier serve"
_ESP: Final = "espalier simulate-esp"

_T = TypeVar("_T")


class Demo:
    """One run. `children` are those that were started, also once they have ended."""

    def __init__(self, place: Workplace, view: View) -> None:
        self._place = place
        self._view = view
        self.children: list[Child] = []

    async def run(self, recipients: int) -> Outcome:
        """Play the demo. DemoFailed: something went wrong. No child process outlives it."""
        environ = _environ(self._place)
        async with AsyncExitStack() as stack:
            # The service is started first and so ended last: the ESP may still call back to it.
            self._view.step("Starting `espalier serve` and `espalier simulate-esp` on free ports")
            for name, arguments in ((_SERVICE, ("serve",)), (_ESP, ("simulate-esp", "--port=0"))):
                log = self._place.log(arguments[0])
                child = await stack.enter_async_context(
                    running(name, *arguments, log=log, environ=environ)
                )
                self.children.append(child)
            outcome = await _while_all_run(self.children, self._play(recipients))
            self._view.step("Stopping both")
        return outcome

    async def _play(self, recipients: int) -> Outcome:
        service, esp = self.children
        try:
            async with asyncio.timeout(_READY_WITHIN):
                port = (await service.said(r"API on port (\d+)"))[1]
                url = (await esp.said(r"listens on (http://\S+)"))[1]
        except TimeoutError:
            raise DemoFailed(f"they were not ready within {_READY_WITHIN:g} s") from None
        address = f"127.0.0.1:{port}"
        async with (
            aiohttp.ClientSession() as session,
            grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS) as channel,
        ):
            scenario = Scenario(
                address=address,
                client=Client(channel),
                esp=Esp(session, url),
                place=self._place,
                view=self._view,
            )
            return await scenario.play(recipients)


async def _while_all_run(children: Sequence[Child], work: Coroutine[Any, Any, _T]) -> _T:
    """Return what `work` returns. DemoFailed: a child ended meanwhile, which is told before all."""
    task = asyncio.create_task(work)
    ends = {asyncio.create_task(child.ended()): child for child in children}
    try:
        await asyncio.wait({task, *ends}, return_when=asyncio.FIRST_COMPLETED)
        for end, child in ends.items():
            if end.done():
                raise DemoFailed(f"{child.name} ended with exit code {end.result()}")
        return await task
    finally:
        for each in (task, *ends):
            each.cancel()
        await asyncio.gather(task, *ends, return_exceptions=True)


def _environ(place: Workplace) -> Mapping[str, str]:
    """Return the children's environment: nothing that is set for another service gets in."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ESPALIER_", "SIMULATED_ESP_"))
        # They talk to each other, on this machine.
        and not name.lower().endswith("_proxy")
    }
    return kept | {
        "ESPALIER_DATA_DIR": str(place.data),
        "ESPALIER_GRPC_ADDRESS": "127.0.0.1:0",
        "ESPALIER_CALLBACK_ADDRESS": "127.0.0.1:0",
        "ESPALIER_DISPATCHERS": "1",
        "ESPALIER_LOG_FORMAT": "console",
        "ESPALIER_DRAIN_SECONDS": "10",
    }
