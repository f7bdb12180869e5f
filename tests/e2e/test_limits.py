"""Limits that several dispatcher processes share, as the ESP sees them."""

from pathlib import Path

from tests.e2e.api import api_at, people
from tests.e2e.serving import environment, serving
from tests.e2e.watched_esp import watched_esp
from tests.support import eventually

MESSAGES, BATCH = 9_000, 250
MOST = 6


async def test_no_more_requests_are_in_flight_than_may_be_over_two_processes(
    tmp_path: Path,
) -> None:
    async with (
        watched_esp() as esp,
        serving(environment(tmp_path, ESPALIER_DISPATCHERS="2")) as served,
        api_at(served.grpc_address) as api,
    ):
        await api.configure(esp.url, batch=BATCH, max_in_flight=MOST)
        esp.hold()
        # More chunks than one process takes at once.
        campaign_id = await api.send("all", MESSAGES)
        await eventually(lambda: esp.in_flight == MOST, 30)
        esp.release()
        await eventually(lambda: api.has_ended(campaign_id), 60)
        assert await api.counts(campaign_id) == {"accepted": MESSAGES}
    assert sorted(esp.recipients()) == sorted(people("all", MESSAGES))
    assert esp.most == MOST
