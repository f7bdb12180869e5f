"""Takes in what an ESP reports about our messages in words of its own."""

from dataclasses import replace
from typing import Any

from domain.callback import BadCallback
from domain.provider import Provider
from domain.webhook import is_version_2
from domain.webhook_mapping import WebhookMapping
from domain.webhook_request import WebhookRequest
from services.confirm_subscription import ConfirmSubscription
from services.ports import Clock, EventLog, Kept, SignatureVerifier
from services.read_webhook import ReadWebhook
from services.record_callback import RecordCallback

# What proves who calls is no part of what was said, and is not kept with it.
_NOT_KEPT = frozenset({"authorization", "proxy-authorization", "cookie"})


class BadSignature(Exception):
    """The request does not come from whom the provider's signatures name. Nothing of it is stored.

    Not one of the service's own errors: it is only ever answered over HTTP.
    """


class RecordWebhook:
    """Verifies a request, reads it by the provider's mapping and stores what it says.

    A body of version v2 is taken as such, mapping or not: it is told by `"version": "v2"` beside an
    object `events`. Where the mapping has signatures it must be signed as everything else.
    """

    def __init__(
        self,
        *,
        log: EventLog,
        read: ReadWebhook,
        record_callback: RecordCallback,
        signatures: SignatureVerifier,
        confirm: ConfirmSubscription,
        clock: Clock,
    ) -> None:
        self._log = log
        self._read = read
        self._record_callback = record_callback
        self._signatures = signatures
        self._confirm = confirm
        self._clock = clock

    async def __call__(
        self, provider: Provider, mapping: WebhookMapping, request: WebhookRequest
    ) -> dict[str, Any]:
        """What the answer says, given only after the events are durable.

        Raises BadSignature, BadCallback and TryLater; then no event of the request is stored.
        """
        verified = await self._signatures.verify(mapping.signatures, request)
        if verified is None:
            raise BadSignature
        if verified.repeated or await self._confirm(mapping.signatures, request):
            return _answer(0, 0)
        if is_version_2(request.body):
            answer = await self._record_callback(provider, request.body)
        else:
            answer = await self._record(provider, mapping, request)
        await self._signatures.remember(verified)
        return answer

    async def _record(
        self, provider: Provider, mapping: WebhookMapping, request: WebhookRequest
    ) -> dict[str, Any]:
        now = self._clock.now()
        kept = _kept(mapping, request, now)
        try:
            events = self._read(provider, request).events
        except BadCallback:
            # A corrected mapping may read it.
            await self._log.record_callbacks(provider, (), (), received_at=now, kept=kept)
            raise
        found = await self._read.find(provider, events, received_at=now)
        foreign = await self._log.record_callbacks(
            provider, found.ours, found.unprocessed, received_at=now, kept=kept
        )
        return _answer(len(events), len(found.ours) - len(foreign))


def _kept(mapping: WebhookMapping, request: WebhookRequest, now: float) -> Kept | None:
    if mapping.keep_raw_seconds <= 0:
        return None
    secret = _NOT_KEPT | {one.header.lower() for one in mapping.signatures}
    headers = {name: value for name, value in request.headers.items() if name not in secret}
    return Kept(replace(request, headers=headers), now + mapping.keep_raw_seconds)


def _answer(total: int, processed: int) -> dict[str, Any]:
    return {"TOTAL_EVENTS": total, "PROCESSED_EVENTS": processed}
