"""Messages whose answer was lost: how they show, and what becomes of them."""

import asyncio
from pathlib import Path

import aiohttp

from entrypoints.simulated_esp import Behaviour, EspSettings, Faults, SimulatedEsp
from espalier.v1 import campaign_pb2
from tests.e2e.api import Api, api_at, people
from tests.e2e.serving import environment, serving
from tests.entrypoints.cli_server import espalier
from tests.support import eventually

LOSING = Behaviour(faults=Faults(lose_answers=1.0))


async def unknown_messages(api: Api, campaign_id: str) -> list[campaign_pb2.Message]:
    request = campaign_pb2.ListMessagesRequest(
        campaign_id=campaign_id, states=[campaign_pb2.MESSAGE_STATE_UNKNOWN]
    )
    return list((await api.campaigns.ListMessages(request)).messages)


async def counts_are(api: Api, campaign_id: str, **counts: int) -> None:
    async def are_so() -> bool:
        return await api.counts(campaign_id) == counts

    await eventually(are_so, 30)


async def command(*arguments: str, address: str) -> str:
    """What the command said; it is to succeed."""
    run = await asyncio.to_thread(espalier, *arguments, "--address", address)
    assert run.exit_code == 0, run.output
    return run.output


async def call_back(url: str, message: campaign_pb2.Message) -> int:
    delivered = {"type": "delivered", "email": message.email, "meta": message.message_id}
    body = {"version": "v2", "events": {"success": [delivered]}}
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as answer:
        return answer.status


async def test_unknown_messages_are_shown_and_resolved_by_callback_resend_and_abandon(
    tmp_path: Path,
) -> None:
    async with (
        SimulatedEsp(EspSettings(), LOSING) as esp,
        serving(environment(tmp_path)) as served,
        api_at(served.grpc_address) as api,
    ):
        url = (await api.configure(f"{esp.url}/send")).callback_url
        number = await api.send("doubt", 3)

        await counts_are(api, number, unknown=3)
        assert await api.state(number) == "COMPLETED"
        told, again, given_up = await unknown_messages(api, number)
        assert [told.email, again.email, given_up.email] == people("doubt", 3)
        assert told.reason == "ANSWER_LOST"
        summary = await command("campaign", "show", number, address=served.grpc_address)
        assert "3 unknown: the request left and its answer was lost" in summary
        assert f"espalier campaign resolve {number} --resend" in summary

        assert await call_back(url, told) == 200
        await counts_are(api, number, delivered=1, unknown=2)

        esp.behave(Behaviour())
        resolve = ("campaign", "resolve", number, "--message")
        resend = (*resolve, again.message_id, "--resend")
        assert "Queued again: 1." in await command(*resend, address=served.grpc_address)
        await counts_are(api, number, delivered=1, accepted=1, unknown=1)

        abandon = (*resolve, given_up.message_id, "--abandon")
        assert "Given up: 1." in await command(*abandon, address=served.grpc_address)
        await counts_are(api, number, delivered=1, accepted=1, cancelled=1)
        assert await unknown_messages(api, number) == []
    messages = esp.counts()["messages"]
    assert messages["accepted_more_than_once_ids"] == [again.message_id]
