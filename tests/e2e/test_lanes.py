"""A small campaign beside a large one."""

from pathlib import Path

from tests.e2e.api import api_at
from tests.e2e.serving import environment, serving
from tests.e2e.watched_esp import watched_esp
from tests.support import eventually

LARGE = 10_000
# Seconds that the ESP takes for each request: the large campaign would take far longer than a test.
DELAY = 0.05


async def test_a_message_to_one_person_waits_for_no_large_campaign(tmp_path: Path) -> None:
    async with (
        watched_esp() as esp,
        serving(environment(tmp_path, ESPALIER_DISPATCHERS="2")) as served,
        api_at(served.grpc_address) as api,
    ):
        esp.delay = DELAY
        await api.configure(esp.url, max_in_flight=8)
        large = await api.send("large", LARGE)
        await eventually(lambda: len(esp.arrivals) > 50, 30)
        small = await api.send("small", 1)
        await eventually(lambda: api.has_ended(small), 30)
        assert await api.counts(small) == {"accepted": 1}
        assert await api.state(large) == "SENDING"
        assert (await api.counts(large))["queued"] > LARGE / 2
    assert list(esp.recipients()).count("small-0@example.com") == 1
