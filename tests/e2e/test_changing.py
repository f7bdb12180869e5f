"""Pausing, resuming, cancelling and scheduling, by calls to a running service."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from google.protobuf.timestamp_pb2 import Timestamp

from tests.chaos.processes import children
from tests.e2e.api import Api, api_at, people
from tests.e2e.serving import environment, serving
from tests.e2e.watched_esp import WatchedEsp, watched_esp
from tests.support import eventually

# One service for all tests of this module, and with it one event loop.
pytestmark = pytest.mark.asyncio(loop_scope="module")

# A chunk and a bit.
MESSAGES, IN_FLIGHT = 1_100, 4


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    folder = tmp_path_factory.mktemp("changing")
    async with serving(environment(folder)) as served, api_at(served.grpc_address) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def esp(api: Api) -> AsyncIterator[WatchedEsp]:
    """An ESP that holds its first answers back, as the provider acme."""
    async with watched_esp() as made:
        await api.configure(made.url, max_in_flight=IN_FLIGHT)
        made.hold()
        yield made


async def full_flight(api: Api, esp: WatchedEsp, name: str, number: int = MESSAGES) -> str:
    """A campaign that was sent, and of which as much is in flight as may be."""
    campaign_id = await api.send(name, number)
    await eventually(lambda: esp.in_flight == IN_FLIGHT, 30)
    return campaign_id


async def nothing_is_in_flight(api: Api, campaign_id: str) -> None:
    async def nothing() -> bool:
        return "sending" not in await api.counts(campaign_id)

    await eventually(nothing, 30)


async def test_after_a_pause_nothing_new_leaves_and_resuming_goes_on_where_it_was(
    api: Api, esp: WatchedEsp
) -> None:
    campaign_id = await full_flight(api, esp, "pause")
    await api.pause(campaign_id)
    esp.release()
    await nothing_is_in_flight(api, campaign_id)
    assert await api.state(campaign_id) == "PAUSED"
    assert await api.counts(campaign_id) == {"accepted": IN_FLIGHT, "queued": MESSAGES - IN_FLIGHT}
    assert len(esp.arrivals) == IN_FLIGHT
    await api.resume(campaign_id)
    await eventually(lambda: api.has_ended(campaign_id), 30)
    assert await api.counts(campaign_id) == {"accepted": MESSAGES}
    assert sorted(esp.recipients()) == sorted(people("pause", MESSAGES))


async def test_after_a_cancel_what_is_in_flight_ends_and_nothing_else_leaves(
    api: Api, esp: WatchedEsp
) -> None:
    campaign_id = await full_flight(api, esp, "cancel")
    await api.cancel(campaign_id)
    esp.release()
    await nothing_is_in_flight(api, campaign_id)
    cancelled = {"accepted": IN_FLIGHT, "cancelled": MESSAGES - IN_FLIGHT}
    await eventually(lambda: _has(api, campaign_id, cancelled), 30)
    assert await api.state(campaign_id) == "CANCELLED"
    assert len(esp.arrivals) == IN_FLIGHT


async def test_what_has_not_left_by_send_before_is_counted_as_expired(
    api: Api, esp: WatchedEsp
) -> None:
    campaign_id = await api.send("late", MESSAGES, send_before=_in(seconds=1.5))
    await eventually(lambda: esp.in_flight == IN_FLIGHT, 30)
    send_before = (await api.campaign(campaign_id)).send_before.ToNanoseconds() / 1e9
    await eventually(lambda: time.time() > send_before, 30)
    esp.release()
    await eventually(lambda: api.has_ended(campaign_id), 30)
    assert await api.state(campaign_id) == "COMPLETED"
    assert await api.counts(campaign_id) == {"accepted": IN_FLIGHT, "expired": MESSAGES - IN_FLIGHT}
    assert len(esp.arrivals) == IN_FLIGHT


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_provider_that_is_configured_wrongly_pauses_the_campaign_and_fails_nobody(
    api: Api, esp: WatchedEsp, status: int
) -> None:
    campaign_id = await full_flight(api, esp, f"wrong{status}", 50)
    esp.status = status
    esp.release()
    await eventually(lambda: _is(api, campaign_id, "PAUSED"), 30)
    await nothing_is_in_flight(api, campaign_id)
    paused = await api.campaign(campaign_id)
    assert paused.state_reason.startswith(f"the ESP refused the request itself: {status}")
    assert await api.counts(campaign_id) == {"queued": 50}
    assert len(esp.arrivals) == IN_FLIGHT
    esp.status = 200
    await api.resume(campaign_id)
    await eventually(lambda: api.has_ended(campaign_id), 30)
    assert await api.counts(campaign_id) == {"accepted": 50}
    assert sorted(esp.recipients()) == sorted(
        [*people(f"wrong{status}", 50), *_refused(esp, number=IN_FLIGHT)]
    )


async def test_a_campaign_starts_on_its_time_though_everything_was_killed_before(
    tmp_path: Path,
) -> None:
    environ = environment(tmp_path)
    async with watched_esp() as esp:
        async with serving(environ) as served, api_at(served.grpc_address) as first:
            await first.configure(esp.url)
            campaign_id = await first.send("later", 10, send_at=_in(seconds=3))
            assert await first.state(campaign_id) == "SCHEDULED"
            killed = [child.kill() for child in children(served.process.pid)]
            served.process.kill()
            assert all(killed)
        assert esp.arrivals == []
        async with serving(environ) as served, api_at(served.grpc_address) as again:
            await eventually(lambda: again.has_ended(campaign_id), 30)
            sent = await again.campaign(campaign_id)
            assert await again.counts(campaign_id) == {"accepted": 10}
    assert sent.start_time.ToNanoseconds() >= sent.send_at.ToNanoseconds()
    assert sorted(esp.recipients()) == sorted(people("later", 10))


async def _is(api: Api, campaign_id: str, state: str) -> bool:
    return await api.state(campaign_id) == state


async def _has(api: Api, campaign_id: str, counts: dict[str, int]) -> bool:
    return await api.counts(campaign_id) == counts


def _in(*, seconds: float) -> Timestamp:
    moment = Timestamp()
    moment.FromNanoseconds(int((time.time() + seconds) * 1e9))
    return moment


def _refused(esp: WatchedEsp, *, number: int) -> list[str]:
    """Those whose message came first, and was refused."""
    return [to for arrival in esp.arrivals[:number] for to in arrival.to]
