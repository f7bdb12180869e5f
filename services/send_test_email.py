"""Sends one real message through a provider, and tells all that there is to tell about it."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

from domain.answer import read_answer
from domain.campaign import CampaignSpec, Content, Recipient
from domain.campaign_rules import check_recipient, unsendable
from domain.chunk import OpenRequest
from domain.errors import InvalidRequest, TryLater, Violation
from domain.http import HttpRequest, HttpResponse, TransportError
from domain.idempotency import request_key, with_key
from domain.masking import mask_answer_headers, mask_echoes, mask_request, secrets_sent
from domain.message_id import MessageIds, MessageKind, MessageRef
from domain.provider import Provider, ProviderConfig, nickname_key
from domain.rendering import RenderedRequest, Renderer
from domain.retry import Outcome
from services.answers import names_by_id
from services.content import NO_CAMPAIGN, check_draft, complete
from services.ports import (
    Clock,
    EspMessage,
    EspMessages,
    Limiter,
    ProviderRepository,
    TestMessages,
    Transport,
)

# As much of an answer as a person reads.
MAX_BODY_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedEmail:
    """A test email and what the ESP said to it, with the secrets of `config` masked throughout.

    `status` is None where no whole answer came, and `transport_error` then says why. `body` is the
    start of the answer's, `truncated` where there was more. `accepted` says that the ESP took the
    message, as its provider's mapping reads the answer.
    """

    config: ProviderConfig
    request: HttpRequest
    message_id: str
    elapsed_seconds: float
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: str = field(default="", repr=False)
    truncated: bool = False
    accepted: bool = False
    transport_error: str = ""


class SendTestEmail:
    """One request, never repeated; it counts nowhere, and asks no suppression.

    The provider's rate limits hold for it as for all others. Raises InvalidRequest where the
    message cannot be made, and NotFound for the provider; whatever the ESP does is no error.
    """

    def __init__(
        self,
        *,
        providers: ProviderRepository,
        tests: TestMessages,
        esp_messages: EspMessages,
        transport: Transport,
        limiter: Limiter,
        message_ids: MessageIds,
        clock: Clock,
    ) -> None:
        self._providers = providers
        self._tests = tests
        self._esp_messages = esp_messages
        self._transport = transport
        self._limiter = limiter
        self._message_ids = message_ids
        self._clock = clock

    async def __call__(self, nickname: str, recipient: Recipient, spec: CampaignSpec) -> TriedEmail:
        """Through the provider `nickname`, which `spec` need not name once more."""
        faults = [*_check_provider(nickname, spec), *_check_recipient(recipient)]
        if not nickname:
            raise InvalidRequest(faults)
        draft = replace(spec, provider=nickname)
        provider, content = await complete(draft, self._providers, [*check_draft(draft), *faults])
        config = provider.config
        _raise_if_refused(config, content, recipient)
        # Stored first: a callback may come before the answer.
        number = await self._tests.add(provider.provider_id, recipient.email, at=self._clock.now())
        message_id = self._message_ids.test_message(number)
        request = with_key(
            _request(config, content, recipient, message_id),
            config.idempotency_key,
            self._key(provider, number),
        )
        message = EspMessage("", MessageRef(MessageKind.TEST, number, 0), recipient.email)
        return await self._send(provider, request, message)

    async def _send(
        self, provider: Provider, request: HttpRequest, message: EspMessage
    ) -> TriedEmail:
        """`message` has no id of the ESP yet."""
        # A paused provider is tried all the same: to see whether it answers again is what for.
        wait = await self._limiter.reserve(provider.provider_id, requests=1, messages=1)
        if wait:
            await asyncio.sleep(wait)
        config, started = provider.config, self._clock.now()
        try:
            answer = await self._transport.send(
                request, timeout_seconds=config.limits.timeout_seconds
            )
        except TransportError as error:
            return TriedEmail(
                config=config,
                request=mask_request(request, config),
                message_id=self._message_ids.token(message.message),
                elapsed_seconds=max(0.0, self._clock.now() - started),
                transport_error=error.reason,
            )
        verdict = read_answer(config.answer, answer, [(0, message.email)], now=self._clock.now())
        if verdict.esp_ids and names_by_id(config):
            called = message._replace(esp_message_id=verdict.esp_ids[0])
            # It has left: to fail now would have the caller send it once more.
            with suppress(TryLater):
                await self._esp_messages.add(provider.provider_id, [called])
        accepted = verdict.outcome is Outcome.ACCEPTED
        message_id = self._message_ids.token(message.message)
        return _answered(config, request, message_id, answer, accepted=accepted)

    def _key(self, provider: Provider, number: int) -> str:
        """Numbers of tests are negative here: else an ESP would take a campaign's first message for
        the repeat of a test.
        """
        request = OpenRequest(ordinals=(0,), provider_version=provider.version)
        return request_key(self._message_ids, -number, request)


def _answered(
    config: ProviderConfig,
    request: HttpRequest,
    message_id: str,
    answer: HttpResponse,
    *,
    accepted: bool,
) -> TriedEmail:
    secrets = secrets_sent(request, config)
    body = mask_echoes(answer.body.decode(errors="replace"), secrets)
    start = body.encode()[:MAX_BODY_BYTES].decode(errors="ignore")
    return TriedEmail(
        config=config,
        request=mask_request(request, config),
        message_id=message_id,
        elapsed_seconds=answer.elapsed_seconds,
        status=answer.status,
        headers=tuple(
            (name, mask_echoes(value, secrets))
            for name, value in mask_answer_headers(answer.headers)
        ),
        body=start,
        truncated=answer.truncated or len(start) < len(body),
        accepted=accepted,
    )


def _request(
    config: ProviderConfig, content: Content, recipient: Recipient, message_id: str
) -> HttpRequest:
    renderer = Renderer(
        config, content, campaign_id=str(NO_CAMPAIGN), message_ids=lambda _: [message_id]
    )
    (made,) = renderer.render([(0, recipient)], cc=content.cc, bcc=content.bcc)
    if isinstance(made, RenderedRequest):
        return made.request
    raise _cannot_be_made(made.reason, made.message)


def _raise_if_refused(config: ProviderConfig, content: Content, recipient: Recipient) -> None:
    renderer = Renderer(config, content, campaign_id=None, message_ids=lambda _: [""])
    refusal = renderer.refusal(recipient)
    if refusal is not None:
        raise _cannot_be_made(*refusal)


def _check_provider(nickname: str, spec: CampaignSpec) -> Iterator[Violation]:
    if not nickname:
        message = "is missing; give the nickname of a provider"
        yield Violation(field="nickname", reason="REQUIRED", message=message)
    elif spec.provider and nickname_key(spec.provider) != nickname_key(nickname):
        message = f"is another provider than {nickname}; leave it empty, or give the same"
        yield Violation(field="campaign.provider", reason="OTHER_PROVIDER", message=message)


def _check_recipient(recipient: Recipient) -> Iterator[Violation]:
    for fault in check_recipient(0, recipient):
        yield replace(fault, field=fault.field.replace("recipients[0]", "recipient", 1))
    # Of an address that is missing this has been said.
    unfit = unsendable(recipient) if recipient.email.strip() else None
    if unfit is not None:
        yield Violation(field="recipient", reason="NOT_SENDABLE", message=unfit)


def _cannot_be_made(reason: str, message: str) -> InvalidRequest:
    return InvalidRequest([Violation(field="recipient", reason=reason, message=message)])
