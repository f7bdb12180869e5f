"""What an ESP's answer says of the messages of a run, and what the ESP calls them."""

from domain.answer import Verdict, read_answer
from domain.chunk import OpenRequest
from domain.http import HttpResponse
from domain.message_id import MessageKind, MessageRef
from domain.provider import ProviderConfig
from services.ports import EspMessage
from services.run import Run


def verdict_on(
    answer: HttpResponse, config: ProviderConfig, run: Run, request: OpenRequest, *, now: float
) -> Verdict:
    """`now` is in epoch seconds."""
    messages = [(ordinal, run.recipient(ordinal).email) for ordinal in request.ordinals]
    return read_answer(config.answer, answer, messages, now=now)


def esp_messages(verdict: Verdict, config: ProviderConfig, run: Run) -> tuple[EspMessage, ...]:
    """The ids to be stored: none where the provider's webhooks do not name messages by them."""
    if not verdict.esp_ids or not names_by_id(config):
        return ()
    number = run.chunk.campaign_number
    return tuple(
        EspMessage(
            esp_id,
            MessageRef(MessageKind.CAMPAIGN, number, ordinal),
            run.recipient(ordinal).email,
        )
        for ordinal, esp_id in verdict.esp_ids.items()
    )


def names_by_id(config: ProviderConfig) -> bool:
    """Whether webhooks of this provider name messages by what the ESP calls them."""
    return config.webhook is not None and bool(config.webhook.esp_message_id)
