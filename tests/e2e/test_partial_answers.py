"""An ESP that refuses some messages within a 200, over SQLite, libcurl and sockets."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from domain.answer_mapping import Alignment, AnswerItems, AnswerMapping
from domain.callback import CallbackType
from domain.campaign import CampaignSpec, Content, Recipient
from domain.events import START, EntryKind
from domain.message import MessageState
from domain.message_id import MessageKind, MessageRef
from domain.provider import Batch, Limits, ProviderConfig, RequestType
from domain.provider_rules import check
from domain.webhook_mapping import TypeRule, WebhookMapping
from entrypoints.bootstrap import Parts, parts, transport
from entrypoints.settings_loader import load
from entrypoints.simulated_esp import Behaviour, EspSettings, Faults, SimulatedEsp
from services.ports import Transport
from tests.support import eventually

TEMPLATE = """{"msgs": [{
  "to": "$$To", "meta": "$$MessageID", "from": "$$FromName", "fromAddress": "$$FromAddress",
  "subject": "$$Subject", "html": "$$HTML"
}]}"""
ANSWER = AnswerMapping(
    items=AnswerItems(
        list="body.results",
        alignment=Alignment.ADDRESS,
        address="item.to",
        accepted="item.status == 'accepted'",
        id="item.meta",
        reason="item.reason",
    )
)
WEBHOOK = WebhookMapping(
    type="event.type",
    types=(TypeRule(pattern="delivered", type=CallbackType.DELIVERED),),
    email="event.email",
    esp_message_id="event.id",
)
REFUSED = ("p3@example.com", "p150@example.com")


async def people() -> AsyncIterator[Sequence[Recipient]]:
    yield [Recipient(f"p{i}@example.com") for i in range(300)]


def provider(url: str) -> ProviderConfig:
    return ProviderConfig(
        nickname="acme",
        request_type=RequestType.POST,
        http_endpoint=f"{url}/send",
        parameters=TEMPLATE,
        batch=Batch(max_messages=100),
        limits=Limits(max_in_flight=2),
        answer=ANSWER,
        webhook=WEBHOOK,
    )


async def send(made: Parts, way: Transport) -> int:
    """Sends a campaign to all of them, and returns its number once it has ended."""
    content = Content(subject="s", from_name="A", from_address="a@x.org", html="<p>")
    spec = CampaignSpec(request_id="r-1", provider="acme", content=content)
    number = (await made.send_campaign()(spec, people())).campaign.number
    stopping = asyncio.Event()
    working = asyncio.create_task(made.dispatcher(way, name="w").run(stopping))

    async def ended() -> bool:
        return (await made.campaigns.get(number)).state.ended

    await eventually(ended, 30)
    stopping.set()
    await working
    return number


async def test_who_is_refused_within_a_200_is_rejected_and_the_others_are_sent_once(
    tmp_path: Path,
) -> None:
    settings = load({"ESPALIER_DATA_DIR": str(tmp_path)})
    behaviour = Behaviour(faults=Faults(partial=True, refuse=REFUSED))
    async with (
        SimulatedEsp(EspSettings(), behaviour) as esp,
        parts(settings) as made,
        transport(settings) as way,
    ):
        config = provider(esp.url)
        assert check(config)[0] == []
        stored, _ = await made.providers.configure("acme", lambda _: config)
        number = await send(made, way)
        counted = esp.counts()["messages"]
        assert (counted["accepted"], counted["distinct"]) == (298, 298)
        rejected = [MessageState.REJECTED]
        rows, _ = await made.campaigns.messages(number, after=-1, limit=300, states=rejected)
        said = {row.recipient.email: (row.reason, row.detail) for row in rows}
        assert said == dict.fromkeys(REFUSED, ("ESP_REFUSED", "the address is refused"))
        entries = await made.log.read(after=START, limit=100)
        failed = [o for each in entries if each.kind is EntryKind.FAILED for o in each.ordinals]
        assert sorted(failed) == [3, 150]
        # The id that the ESP gave to a message of the same batch is stored and found.
        fourth = MessageRef(MessageKind.CAMPAIGN, number, 4)
        meta = made.message_ids.campaign_message(number, 4)
        assert await made.esp_messages.find(stored.provider_id, meta, "") == fourth
        assert await made.esp_messages.id_of(fourth) == meta
