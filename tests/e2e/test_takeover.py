"""A dispatcher that is killed while it holds chunks: another one takes its place, and them."""

import os
import signal
from pathlib import Path

from tests.e2e.api import api_at, people
from tests.e2e.serving import environment, serving
from tests.e2e.watched_esp import watched_esp
from tests.support import eventually

# More chunks than one process takes at once, each of them one request.
CHUNKS, CHUNK = 9, 1000
# Two of them for each process.
IN_FLIGHT = 4


async def test_the_chunks_of_a_killed_dispatcher_are_taken_over_and_it_is_replaced(
    tmp_path: Path,
) -> None:
    async with (
        watched_esp() as esp,
        serving(environment(tmp_path, ESPALIER_DISPATCHERS="2")) as served,
        api_at(served.grpc_address) as api,
    ):
        await api.configure(esp.url, batch=CHUNK, max_in_flight=IN_FLIGHT)
        esp.hold()
        campaign_id = await api.send("all", CHUNKS * CHUNK)
        await eventually(lambda: esp.in_flight == IN_FLIGHT, 30)
        killed, other = served.dispatchers()
        os.kill(killed, signal.SIGKILL)
        # Their connections are closed: nobody waits for these answers any more.
        await eventually(lambda: esp.in_flight == IN_FLIGHT - 2, 30)
        esp.release()

        def is_replaced() -> bool:
            running = served.dispatchers()
            return len(running) == 2 and killed not in running and other in running

        await eventually(is_replaced, 30)
        await eventually(lambda: api.has_ended(campaign_id), 60)
        # What the killed one had claimed and not posted was sent; what it had posted is in doubt.
        counts = {"accepted": (CHUNKS - 2) * CHUNK, "unknown": 2 * CHUNK}
        assert await api.counts(campaign_id) == counts
    assert sorted(esp.recipients()) == sorted(people("all", CHUNKS * CHUNK))
