"""The way of a provider's request to its answer, or to none."""

from __future__ import annotations

import time
from functools import partial

from aiohttp import web

from entrypoints.simulated_esp.acceptance import Acceptance
from entrypoints.simulated_esp.answers import GARBAGE, Answer, refusal
from entrypoints.simulated_esp.behaviour import BehaviourError
from entrypoints.simulated_esp.directive import HEADER, Drop
from entrypoints.simulated_esp.faults import NO_FAULT, Fault
from entrypoints.simulated_esp.ledger import SeenRequest
from entrypoints.simulated_esp.state import EspState
from entrypoints.simulated_esp.wire import (
    BodyTooLarge,
    BrokenOff,
    cut,
    drip,
    read_body,
    respond,
)


class Intake:
    """Answers the requests of providers, on any path."""

    def __init__(self, state: EspState) -> None:
        self._state = state
        self._acceptance = Acceptance(state)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        state = self._state
        state.ledger.requests += 1
        key = request.headers.get(state.settings.idempotency_header, "")
        try:
            fault = state.faults.pick(state.behaviour.faults, request.headers.get(HEADER), key)
        except BehaviourError as error:
            return self._send(refusal(400, str(error)))
        if fault.drop is Drop.BEFORE:
            return await self._drop(request, fault)
        try:
            body = await read_body(request, state.settings.max_body)
        except BrokenOff:
            state.ledger.broken_off_by_client += 1
            return cut(request)
        except BodyTooLarge:
            return self._send(_too_large(state.settings.max_body))
        return await self._answer(request, body, fault, key)

    async def _drop(self, request: web.BaseRequest, fault: Fault) -> web.StreamResponse:
        self._keep(request, b"")
        if fault.delay:
            await self._state.pause(fault.delay)
        self._state.ledger.dropped_before_reading += 1
        return cut(request)

    async def _answer(
        self, request: web.BaseRequest, body: bytes, fault: Fault, key: str
    ) -> web.StreamResponse:
        seen = self._keep(request, body)
        if fault.delay:
            await self._state.pause(fault.delay)
        answer = self._acceptance.decide(request, body, fault, key)
        if fault is not NO_FAULT and answer.status < 300:
            if fault.drop is Drop.AFTER:
                self._state.ledger.dropped_after_accepting += 1
                return cut(request)
            if fault.garbage:
                answer = Answer(answer.status, GARBAGE)
        seen.status = answer.status
        if fault.drip_seconds is not None:
            self._state.ledger.statuses[answer.status] += 1
            return await drip(request, answer, partial(self._state.pause, fault.drip_seconds))
        return self._send(answer)

    def _keep(self, request: web.BaseRequest, body: bytes) -> SeenRequest:
        seen = SeenRequest(time.time(), request.method, request.path_qs, request.headers, body)
        self._state.requests.add(seen)
        return seen

    def _send(self, answer: Answer) -> web.Response:
        self._state.ledger.statuses[answer.status] += 1
        return respond(answer)


def _too_large(limit: int) -> Answer:
    close = ("Connection", "close")
    return refusal(413, f"the body is longer than {limit} bytes (--max-body)", close)
