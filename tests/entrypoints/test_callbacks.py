"""The callback URL on a real server."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable, Sequence
from io import BytesIO

import aiohttp
import orjson
import pytest
import structlog
from aiohttp import web
from structlog.testing import CapturingLogger

from domain.callback import BAD_REQUEST_TEXT, MAX_BODY_BYTES, Attributed, Unprocessed
from domain.campaign import CampaignSpec, Content, Recipient
from domain.errors import TryLater
from domain.message_id import MessageIds
from domain.provider import Provider
from entrypoints.backlog import BODY_FACTOR, REQUEST_BYTES, Backlog
from entrypoints.callbacks import Callbacks
from services.find_callback_provider import FindCallbackProvider
from services.ports import Kept
from services.record_callback import RecordCallback
from tests.domain.provider_samples import POST
from tests.fakes.campaign_repository import FakeCampaignRepository
from tests.fakes.clock import FakeClock
from tests.fakes.event_log import FakeEventLog
from tests.fakes.store import Store, StoredProvider
from tests.support import eventually

NOW = 1_750_000_000.0
IDS = MessageIds(b"k" * 32)
ACME = Provider(
    provider_id=1, version=1, config=POST, callback_token="tok", created_at=NOW, updated_at=NOW
)
EVENT = {"type": "delivered", "email": "a@example.com", "meta": IDS.campaign_message(1, 0)}
GOOD = orjson.dumps({"version": "v2", "events": {"success": [EVENT]}})


# Room for one request without a body to speak of, and no more.
LITTLE = REQUEST_BYTES + BODY_FACTOR * 1000


async def find(token: str) -> Provider | None:
    return ACME if token == "tok" else None


@pytest.fixture
async def store() -> Store:
    """Holds campaign 1 of one message, through ACME."""
    store = Store(FakeClock(NOW))
    store.providers[1] = StoredProvider(provider=ACME, versions={1: POST})
    campaigns = FakeCampaignRepository(store)
    spec = CampaignSpec(request_id="r", provider="acme", content=Content())
    number = await campaigns.begin(spec, ACME.provider_id)
    await campaigns.stage(number, 0, [Recipient("a@example.com")])
    await campaigns.accept(number, fingerprint=b"")
    return store


@pytest.fixture
def log() -> CapturingLogger:
    return CapturingLogger()


@pytest.fixture
def backlog() -> Backlog:
    return Backlog(limit=64 * 1024 * 1024)


async def elsewhere(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text=f"nothing at {request.raw_path}", status=404)


class BusyLog(FakeEventLog):
    """Stores nothing while it is not `open`."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.open = asyncio.Event()
        self.open.set()

    async def record_callbacks(
        self,
        provider: Provider,
        events: Sequence[Attributed],
        unprocessed: Sequence[Unprocessed],
        *,
        received_at: float,
        kept: Kept | None = None,
        again: bool = False,
    ) -> Sequence[Attributed]:
        await self.open.wait()
        return await super().record_callbacks(
            provider, events, unprocessed, received_at=received_at, kept=kept, again=again
        )


@pytest.fixture
async def events(store: Store) -> BusyLog:
    return BusyLog(store)


@pytest.fixture
async def url(
    store: Store, events: BusyLog, log: CapturingLogger, backlog: Backlog
) -> AsyncIterator[str]:
    handler = Callbacks(
        FindCallbackProvider(find, store.clock),
        RecordCallback(events, IDS, store.clock),
        elsewhere=elsewhere,
        backlog=backlog,
        log=structlog.wrap_logger(log, processors=[]),
    )
    runner = web.ServerRunner(web.Server(handler, access_log=None))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_a_good_callback_is_answered_with_its_counts(
    url: str, store: Store, client: aiohttp.ClientSession
) -> None:
    async with client.post(f"{url}/callbacks/tok", data=GOOD) as answer:
        assert answer.status == 200
        assert (await answer.json())["PROCESSED_EVENTS"] == 1
    assert len(store.log) == 1


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"", "body"),
        (b"\xff\x00", "body"),
        (b"{}", "version"),
        (b'{"version":"v2","events":{"failed":[{}]}}', "events.failed[0].type"),
        pytest.param(b" " * (MAX_BODY_BYTES + 1), "body", id="too long"),
    ],
)
async def test_a_bad_body_is_refused_with_the_text_and_the_path(
    url: str, store: Store, client: aiohttp.ClientSession, body: bytes, path: str
) -> None:
    async with client.post(f"{url}/callbacks/tok", data=BytesIO(body)) as answer:
        assert answer.status == 400
        said = await answer.json()
    assert said["error"] == BAD_REQUEST_TEXT
    assert path in [fault["path"] for fault in said["faults"]]
    assert store.log == []


async def test_an_endless_body_is_refused_before_it_ends(url: str) -> None:
    reader, writer = await connect(url)
    head = "POST /callbacks/tok HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(head.encode())
    piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
    for _ in range(MAX_BODY_BYTES // 65536 + 1):
        writer.write(piece)
    line = await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    assert b" 400 " in line


async def connect(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = url.removeprefix("http://").split(":")
    return await asyncio.open_connection(host, int(port))


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    """Sent without its length beforehand."""
    for start in range(0, len(body), 65536):
        yield body[start : start + 65536]


@pytest.mark.parametrize("form", [BytesIO, in_pieces])
async def test_a_body_that_is_too_long_is_refused_with_the_limit(
    url: str, client: aiohttp.ClientSession, form: Callable[[bytes], object]
) -> None:
    longest = GOOD.ljust(2_097_152)
    async with client.post(f"{url}/callbacks/tok", data=form(longest)) as answer:
        assert answer.status == 200
    async with client.post(f"{url}/callbacks/tok", data=form(longest + b" ")) as answer:
        assert answer.status == 400
        assert (await answer.json())["faults"] == [
            {
                "path": "body",
                "problem": "is longer than 2097152 bytes; send fewer events at a time",
            }
        ]


async def test_a_body_that_is_not_gzip_as_announced_is_refused(
    url: str, client: aiohttp.ClientSession
) -> None:
    headers = {"Content-Encoding": "gzip"}
    async with client.post(f"{url}/callbacks/tok", data=GOOD, headers=headers) as answer:
        assert answer.status == 400


@pytest.mark.parametrize("path", ["/callbacks/other", "/callbacks/%00", "/callbacks/"])
async def test_an_unknown_token_is_not_found(
    url: str, client: aiohttp.ClientSession, path: str
) -> None:
    async with client.post(url + path, data=GOOD) as answer:
        assert answer.status == 404


async def test_what_is_no_callback_is_left_to_others(
    url: str, client: aiohttp.ClientSession
) -> None:
    async with client.post(f"{url}/callback", data=GOOD) as answer:
        assert (answer.status, await answer.text()) == (404, "nothing at /callback")


async def test_only_post_is_allowed(url: str, client: aiohttp.ClientSession) -> None:
    async with client.get(f"{url}/callbacks/tok") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")


async def test_a_busy_database_asks_for_the_same_request_later_and_is_logged(
    url: str, store: Store, log: CapturingLogger, client: aiohttp.ClientSession
) -> None:
    store.failure = TryLater("the database is busy", retry_after_seconds=1.5)
    async with client.post(f"{url}/callbacks/tok", data=GOOD) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
        assert await answer.json() == {"error": "Not stored. Send the same request again later."}
    (call,) = log.calls
    assert call.method_name == "warning"
    assert call.kwargs["exc_info"] is store.failure
    assert "tok" not in repr(call)


async def test_what_is_refused_for_its_form_is_not_logged(
    url: str, log: CapturingLogger, client: aiohttp.ClientSession
) -> None:
    async with client.post(f"{url}/callbacks/tok", data=b"{}") as answer:
        assert answer.status == 400
    assert log.calls == []


async def test_a_query_behind_the_token_is_passed_over(
    url: str, store: Store, client: aiohttp.ClientSession
) -> None:
    for _ in range(2):
        async with client.post(f"{url}/callbacks/tok?source=esp", data=GOOD) as answer:
            assert answer.status == 200
    assert len(store.log) == 1


async def test_a_compressed_body_is_read(
    url: str, store: Store, client: aiohttp.ClientSession
) -> None:
    headers = {"Content-Encoding": "gzip"}
    packed = gzip.compress(GOOD)
    async with client.post(f"{url}/callbacks/tok", data=packed, headers=headers) as answer:
        assert answer.status == 200
    assert len(store.log) == 1


async def test_a_body_that_is_announced_is_asked_for(url: str, store: Store) -> None:
    reader, writer = await connect(url)
    head = f"POST /callbacks/tok HTTP/1.1\r\nHost: x\r\nContent-Length: {len(GOOD)}\r\n"
    writer.write(f"{head}Expect: 100-continue\r\n\r\n".encode())
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(GOOD)
    assert b" 200 " in await reader.readline()
    writer.close()
    assert len(store.log) == 1


async def test_a_caller_that_hangs_up_in_its_body_leaves_no_trace(
    url: str, store: Store, log: CapturingLogger, backlog: Backlog, client: aiohttp.ClientSession
) -> None:
    _, writer = await connect(url)
    head = f"POST /callbacks/tok HTTP/1.1\r\nHost: x\r\nContent-Length: {len(GOOD)}\r\n\r\n"
    free = backlog.free
    writer.write(head.encode() + GOOD[:10])
    await eventually(lambda: backlog.free < free)
    writer.close()
    await eventually(lambda: backlog.free == free)
    assert (store.log, log.calls) == ([], [])


async def test_what_there_is_no_room_for_is_told_to_come_again_before_it_is_sent(
    url: str, store: Store, backlog: Backlog
) -> None:
    backlog.free = LITTLE
    reader, writer = await connect(url)
    head = "POST /callbacks/tok HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n"
    writer.write(f"{head}Expect: 100-continue\r\n\r\n".encode())
    said = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    assert said.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 2\r\n" in said
    assert store.log == []


async def test_a_body_without_a_length_takes_room_as_it_comes(
    url: str, store: Store, backlog: Backlog, client: aiohttp.ClientSession
) -> None:
    backlog.free = LITTLE
    for body, status in ((GOOD.ljust(1001), 503), (GOOD.ljust(1000), 200)):
        async with client.post(f"{url}/callbacks/tok", data=in_pieces(body)) as answer:
            assert answer.status == status
    assert backlog.free == LITTLE
    assert len(store.log) == 1


@pytest.mark.parametrize("body", [GOOD, b"{}", b" " * (MAX_BODY_BYTES + 1)])
async def test_every_answer_gives_its_room_back(
    url: str, backlog: Backlog, client: aiohttp.ClientSession, body: bytes
) -> None:
    free = backlog.free
    for path in ("/callbacks/tok", "/callbacks/other"):
        async with client.post(url + path, data=BytesIO(body)) as answer:
            assert answer.status in (200, 400, 404)
    await eventually(lambda: backlog.free == free)


async def test_requests_that_wait_take_up_room_and_those_beyond_it_are_told_to_come_again(
    url: str, events: BusyLog, backlog: Backlog, client: aiohttp.ClientSession
) -> None:
    async def post(body: bytes) -> tuple[int, str]:
        async with client.post(f"{url}/callbacks/tok", data=body) as answer:
            return answer.status, answer.headers.get("Retry-After", "")

    backlog.free = 3 * LITTLE
    events.open.clear()
    waiting = [asyncio.create_task(post(GOOD.ljust(1000))) for _ in range(3)]
    await eventually(lambda: backlog.free == 0)
    assert await post(GOOD) == (503, "2")
    events.open.set()
    assert await asyncio.gather(*waiting) == [(200, "")] * 3
    assert await post(GOOD) == (200, "")
