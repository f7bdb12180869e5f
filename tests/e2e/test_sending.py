"""From SendCampaign to the ESP over real parts: SQLite, libcurl, sockets, the simulated ESP."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from domain.campaign import CampaignSpec, CampaignState, Content, Recipient
from domain.message import MessageState
from domain.provider import Batch, Provider, ProviderConfig, RequestType
from domain.provider_rules import check
from entrypoints.bootstrap import Parts, parts, transport
from entrypoints.settings_loader import load
from entrypoints.simulated_esp import Behaviour, EspSettings, SimulatedEsp
from services.change_campaign import PauseCampaign, ResumeCampaign
from services.dispatcher import Dispatcher
from services.send_campaign import SendCampaign
from tests.support import eventually

TEMPLATE = """{
  // Every message of the array is one person's.
  "msgs": [{"to": "$$To", "mid": "$$MessageID", "name": "$$name", "from": "$$FromName",
            "fromAddress": "$$FromAddress", "subject": "$$Subject", "html": "$$HTML"}]
}"""


@dataclass
class Service:
    """Everything between a campaign and its ESP, in one process."""

    parts: Parts
    send: SendCampaign
    dispatcher: Dispatcher
    esp: SimulatedEsp

    async def counts(self, number: int) -> dict[MessageState, int]:
        counts = (await self.parts.campaigns.get(number)).counts
        return {state: n for state, n in counts.items() if n}

    async def limit(self, *, max_messages: int, max_in_flight: int) -> None:
        """Makes requests of so many messages, and so many of them at a time."""

        def change(provider: Provider | None) -> ProviderConfig:
            assert provider is not None
            limits = replace(provider.config.limits, max_in_flight=max_in_flight)
            batch = Batch(max_messages=max_messages)
            return replace(provider.config, batch=batch, limits=limits)

        await self.parts.providers.configure("acme", change)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    settings = load({"ESPALIER_DATA_DIR": str(tmp_path)})
    async with (
        SimulatedEsp(EspSettings(), Behaviour()) as esp,
        parts(settings) as made,
        transport(settings) as way,
    ):
        config = ProviderConfig(
            nickname="acme",
            request_type=RequestType.POST,
            http_endpoint=f"{esp.url}/send",
            parameters=TEMPLATE,
            batch=Batch(max_messages=1000),
        )
        violations, _ = check(config)
        assert violations == []
        await made.providers.configure("acme", lambda _: config)
        yield Service(
            parts=made,
            send=made.send_campaign(),
            dispatcher=made.dispatcher(way, name="w"),
            esp=esp,
        )


async def one_by_one(people: Sequence[Recipient]) -> AsyncIterator[Sequence[Recipient]]:
    for start in range(0, len(people), 700):
        yield people[start : start + 700]


async def test_a_campaign_reaches_the_esp_once_for_each_person(service: Service) -> None:
    people = [Recipient(f"p{i}@example.com", f'P "{i}" $$To') for i in range(2500)]
    spec = CampaignSpec(
        request_id="r-1",
        provider="ACME",
        content=Content(
            subject="Hello $$name", from_name="A", from_address="a@x.org", html="<p>$$name</p>"
        ),
    )
    everyone = [*people, people[0], Recipient("no address"), Recipient("n@x.org")]
    sent = await service.send(spec, one_by_one(everyone))
    number = sent.campaign.number
    stopping = asyncio.Event()
    working = asyncio.create_task(service.dispatcher.run(stopping))

    async def ended() -> bool:
        return (await service.parts.campaigns.get(number)).state.ended

    await eventually(ended, 30)
    stopping.set()
    await working
    counted = service.esp.counts()["messages"]
    assert (counted["accepted"], counted["distinct"]) == (2500, 2500)
    assert await service.counts(number) == {
        MessageState.ACCEPTED: 2500,
        MessageState.DUPLICATE: 1,
        MessageState.REJECTED: 2,
    }
    again = await service.send(spec, one_by_one(everyone))
    assert (again.campaign.number, again.already_existed) == (number, True)


async def test_a_campaign_that_is_paused_in_the_middle_goes_on_where_it_was(
    service: Service,
) -> None:
    people = [Recipient(f"p{i}@example.com", "P") for i in range(3000)]
    spec = CampaignSpec(
        request_id="r-1",
        provider="acme",
        content=Content(subject="s", from_name="A", from_address="a@x.org", html="<p>"),
    )
    await service.limit(max_messages=10, max_in_flight=2)
    number = (await service.send(spec, one_by_one(people))).campaign.number
    campaigns = service.parts.campaigns
    stopping = asyncio.Event()
    working = asyncio.create_task(service.dispatcher.run(stopping))

    async def some_are_accepted() -> bool:
        return 0 < (await service.counts(number)).get(MessageState.ACCEPTED, 0) < 2500

    async def nothing_is_in_flight() -> bool:
        return MessageState.SENDING not in await service.counts(number)

    await eventually(some_are_accepted, 30)
    await PauseCampaign(campaigns)(number)
    await eventually(nothing_is_in_flight, 30)
    paused = await service.counts(number)
    assert set(paused) == {MessageState.ACCEPTED, MessageState.QUEUED}
    assert (await campaigns.get(number)).state is CampaignState.PAUSED
    await ResumeCampaign(campaigns, service.parts.clock)(number)

    async def ended() -> bool:
        return (await campaigns.get(number)).state.ended

    await eventually(ended, 30)
    stopping.set()
    await working
    assert await service.counts(number) == {MessageState.ACCEPTED: 3000}
    counted = service.esp.counts()["messages"]
    assert (counted["accepted"], counted["distinct"]) == (3000, 3000)
