"""One round: campaigns are sent while processes die, and then everything is counted."""

import asyncio
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from espalier.v1 import campaign_pb2
from tests.chaos.client import Client, connected
from tests.chaos.esp import Esp, esp_for
from tests.chaos.killer import Killer
from tests.chaos.plan import Plan
from tests.chaos.promises import Account, CampaignSeen, Seen, broken, broken_by_resending, gone
from tests.chaos.service import Service, Victim, running
from tests.support import eventually

_UNDER_WAY = (campaign_pb2.CAMPAIGN_STATE_SCHEDULED, campaign_pb2.CAMPAIGN_STATE_SENDING)


class Sent(NamedTuple):
    """A campaign that the service has acknowledged."""

    campaign_id: str
    recipients: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a round found; `account` is that of before anything was resent."""

    plan: Plan
    account: Account
    broken: Sequence[str]
    seconds: float


async def run_round(
    plan: Plan, folder: Path, settings: Mapping[str, str] = MappingProxyType({})
) -> Result:
    """The service keeps its data and its log in `folder`, and has `settings` in its environment."""
    started = time.monotonic()
    async with AsyncExitStack() as stack:
        esp = await stack.enter_async_context(esp_for(plan))
        service = await stack.enter_async_context(running(folder, settings))
        client = await stack.enter_async_context(connected(service.grpc_address))
        world = _Round(plan, esp, service, client)
        account, faults = await world()
    return Result(plan=plan, account=account, broken=faults, seconds=time.monotonic() - started)


class _Round:
    def __init__(self, plan: Plan, esp: Esp, service: Service, client: Client) -> None:
        self._plan = plan
        self._esp = esp
        self._service = service
        self._client = client
        self._killer = Killer(service, esp.in_flight, plan.chance("kills"))
        self._sent: list[Sent] = []

    async def __call__(self) -> tuple[Account, list[str]]:
        # Rounds may share a database: names are a round's own.
        name = f"chaos-{secrets.token_hex(4)}"
        await self._client.configure(self._plan.provider(name, self._esp.url))
        async with asyncio.TaskGroup() as both:
            both.create_task(self._send_all(name))
            both.create_task(self._killer.run(self._plan.seconds))
        await self._service.ready()
        faults = await self._service.outlived()
        account = await self._account()
        faults += broken(self._plan, account)
        if self._plan.at_most_once and not faults:
            faults += await self._resend(account)
        return account, [*faults, *self._service.self_inflicted()]

    async def _send_all(self, name: str) -> None:
        """Sends every campaign; the middle one is followed at once by the end of everything."""
        sizes = self._plan.sizes()
        chance = self._plan.chance("pauses")
        for index, size in enumerate(sizes):
            spec = self._plan.campaign(f"{name}-{index}", name)
            emails = (f"p{index}-{i}@example.com" for i in range(size))
            self._sent.append(Sent(await self._client.send(spec, emails), size))
            if index == len(sizes) // 2:
                await self._killer.kill(Victim.EVERYTHING)
            await asyncio.sleep(chance.uniform(0, 2 * self._plan.seconds / len(sizes)))

    async def _resend(self, before: Account) -> list[str]:
        self._esp.behave_well(self._plan)
        for sent in self._sent:
            await self._client.resend_unknown(sent.campaign_id)
        after = await self._account()
        return broken_by_resending(before, after)

    async def _account(self) -> Account:
        """Of every campaign, once all have ended, or none does any more."""
        deadline = time.monotonic() + self._plan.patience_seconds
        for sent in self._sent:
            await self._end(sent, deadline)
        await self._esp.idle()
        return Account(
            campaigns=[await self._seen(sent) for sent in self._sent],
            kills=dict(self._killer.kills),
            lost_answers=self._esp.lost_answers(),
            distinct=self._esp.distinct(),
            key_conflicts=self._esp.key_conflicts(),
        )

    async def _end(self, sent: Sent, deadline: float) -> None:
        async def is_over() -> bool:
            campaign = await self._client.campaign(sent.campaign_id)
            # One that is gone, or goes on for ever, is a broken promise, which the account shows.
            return (
                campaign is None or campaign.state not in _UNDER_WAY or time.monotonic() > deadline
            )

        await eventually(is_over, 2 * self._plan.patience_seconds)

    async def _seen(self, sent: Sent) -> CampaignSeen:
        campaign = await self._client.campaign(sent.campaign_id)
        if campaign is None:
            return gone(sent.campaign_id, sent.recipients)
        messages = await self._client.messages(sent.campaign_id)
        listed = await self._client.messages(sent.campaign_id, unknown=True)
        times = await self._esp.times_accepted([message.message_id for message in messages])
        counts = {field.name: number for field, number in campaign.counts.ListFields()}
        return CampaignSeen(
            campaign_id=sent.campaign_id,
            recipients=sent.recipients,
            state=_short(campaign_pb2.CampaignState.Name(campaign.state)),
            counts=counts,
            messages=[
                Seen(m.message_id, _short(campaign_pb2.MessageState.Name(m.state)), n)
                for m, n in zip(messages, times, strict=True)
            ],
            listed_unknown=[message.message_id for message in listed],
        )


def _short(name: str) -> str:
    return name.partition("_STATE_")[2]
