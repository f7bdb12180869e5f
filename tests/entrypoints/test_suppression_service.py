"""SuppressionService over a real gRPC server, on the SQL repository in a SQLite file."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TypeAlias

import grpc.aio
import pytest

from adapters.sql.database import Database
from adapters.sql.suppressions import SqlSuppressionRepository
from domain.message_id import MessageIds
from domain.suppression import Suppression, SuppressionReason
from entrypoints.suppression_service import SuppressionService
from espalier.v1 import suppression_pb2, suppression_pb2_grpc
from tests.entrypoints.api_server import channel_to, violations
from tests.fakes.clock import FakeClock
from tests.tables import create_schema

Stub: TypeAlias = suppression_pb2_grpc.SuppressionServiceStub
MANUAL = suppression_pb2.SUPPRESSION_REASON_MANUAL
COMPLAINT = suppression_pb2.SUPPRESSION_REASON_COMPLAINT
HARD_BOUNCE = suppression_pb2.SUPPRESSION_REASON_HARD_BOUNCE

IDS = MessageIds(b"k" * 32)
BOUNCED = Suppression(
    email="Ann@example.com",
    key="ann@example.com",
    reason=SuppressionReason.HARD_BOUNCE,
    detail="no such mailbox",
    event_position=9,
    campaign_number=4,
    ordinal=2,
    provider="acme",
    created_at=1_600_000_000.0,
)


@pytest.fixture
async def suppressions(tmp_path: Path) -> AsyncIterator[SqlSuppressionRepository]:
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'list.db'}", clock=FakeClock())
    await create_schema(database)
    yield SqlSuppressionRepository(database)
    await database.close()


@pytest.fixture
async def stub(suppressions: SqlSuppressionRepository) -> AsyncIterator[Stub]:
    service = SuppressionService(
        suppressions=suppressions, message_ids=IDS, clock=FakeClock(1_700_000_000.0)
    )

    def add_to(server: grpc.aio.Server) -> None:
        suppression_pb2_grpc.add_SuppressionServiceServicer_to_server(service, server)

    async with channel_to(add_to) as channel:
        yield suppression_pb2_grpc.SuppressionServiceStub(channel)


async def add(
    stub: Stub,
    *emails: str,
    reason: suppression_pb2.SuppressionReason.ValueType = (
        suppression_pb2.SUPPRESSION_REASON_UNSPECIFIED
    ),
    detail: str = "",
) -> tuple[int, int]:
    """How many are new, and how many are not."""
    answer = await stub.AddSuppressions(
        suppression_pb2.AddSuppressionsRequest(emails=emails, reason=reason, detail=detail)
    )
    return answer.added_count, answer.already_suppressed_count


async def check(stub: Stub, *emails: str) -> Sequence[suppression_pb2.CheckedAddress]:
    request = suppression_pb2.CheckSuppressionsRequest(emails=emails)
    return (await stub.CheckSuppressions(request)).results


async def remove(stub: Stub, *emails: str) -> tuple[int, int]:
    """How many were there, and how many were not."""
    request = suppression_pb2.RemoveSuppressionsRequest(emails=emails)
    answer = await stub.RemoveSuppressions(request)
    return answer.removed_count, answer.not_found_count


async def page(
    stub: Stub, request: suppression_pb2.ListSuppressionsRequest | None = None
) -> tuple[list[str], str]:
    answer = await stub.ListSuppressions(request or suppression_pb2.ListSuppressionsRequest())
    return [entry.email for entry in answer.suppressions], answer.next_page_token


async def test_an_added_address_is_on_the_list_with_reason_detail_and_time(stub: Stub) -> None:
    assert await add(stub, "Ann@Example.com", detail="asked by phone") == (1, 0)
    [result] = await check(stub, "ann@example.COM")
    assert (result.email, result.suppressed) == ("ann@example.COM", True)
    assert result.suppression.email == "ann@example.com"
    assert (result.suppression.reason, result.suppression.detail) == (MANUAL, "asked by phone")
    assert result.suppression.create_time.seconds == 1_700_000_000
    assert result.suppression.source_event_id == ""


async def test_repeats_of_one_address_are_counted_and_the_first_entry_stays(stub: Stub) -> None:
    assert await add(stub, "ann@example.com", reason=COMPLAINT) == (1, 0)
    assert await add(stub, "ANN@example.com", "bob@example.com", "Bob@example.com") == (1, 2)
    [result] = await check(stub, "ann@example.com")
    assert result.suppression.reason == COMPLAINT


async def test_a_suppression_by_a_callback_names_its_event_message_and_provider(
    stub: Stub, suppressions: SqlSuppressionRepository
) -> None:
    await suppressions.add([BOUNCED])
    [result] = await check(stub, "ann@example.com")
    shown = result.suppression
    assert shown.source_event_id
    assert shown.message_id == IDS.campaign_message(4, 2)
    assert (shown.campaign_id, shown.provider, shown.reason) == ("4", "acme", HARD_BOUNCE)


async def test_results_have_the_order_of_the_addresses_also_of_repeated_ones(stub: Stub) -> None:
    await add(stub, "bob@bücher.example")
    emails = ("x@example.com", "bob@xn--bcher-kva.example", "x@example.com", "BOB@Bücher.example")
    results = await check(stub, *emails)
    assert tuple(result.email for result in results) == emails
    assert [result.suppressed for result in results] == [False, True, False, True]
    assert not results[0].HasField("suppression")


async def test_a_removed_address_is_mailed_again_and_others_are_passed_over(stub: Stub) -> None:
    await add(stub, "ann@example.com", "bob@example.com")
    assert await remove(stub, "ANN@example.com", "Ann@example.com", "eve@example.com") == (1, 2)
    results = await check(stub, "ann@example.com", "bob@example.com")
    assert [result.suppressed for result in results] == [False, True]


async def test_pages_hold_every_address_once_ordered_by_address(stub: Stub) -> None:
    await add(stub, *(f"{name}@example.com" for name in ("d", "B", "a", "c", "e")))
    first, token = await page(stub, suppression_pb2.ListSuppressionsRequest(page_size=2))
    await remove(stub, "b@example.com")
    second, token = await page(
        stub, suppression_pb2.ListSuppressionsRequest(page_size=2, page_token=token)
    )
    third, end = await page(
        stub, suppression_pb2.ListSuppressionsRequest(page_size=2, page_token=token)
    )
    assert [first, second, third] == [
        ["a@example.com", "b@example.com"],
        ["c@example.com", "d@example.com"],
        ["e@example.com"],
    ]
    assert end == ""


async def test_a_page_that_ends_with_the_list_has_no_next_one(stub: Stub) -> None:
    await add(stub, "a@example.com", "b@example.com")
    listed = await page(stub, suppression_pb2.ListSuppressionsRequest(page_size=2))
    assert listed == (["a@example.com", "b@example.com"], "")


async def test_a_page_has_100_entries_unless_told_and_at_most_1000(stub: Stub) -> None:
    for start in (0, 1000):
        await add(stub, *(f"p{i:04}@example.com" for i in range(start, start + 1000)))
    emails, _ = await page(stub)
    assert len(emails) == 100
    emails, token = await page(stub, suppression_pb2.ListSuppressionsRequest(page_size=5000))
    assert (len(emails), emails[-1]) == (1000, "p0999@example.com")
    rest = suppression_pb2.ListSuppressionsRequest(page_size=5000, page_token=token)
    emails, end = await page(stub, rest)
    assert (len(emails), emails[0], end) == (1000, "p1000@example.com", "")


async def test_a_listing_for_one_reason_leaves_out_the_others(stub: Stub) -> None:
    await add(stub, "a@example.com", "c@example.com", reason=COMPLAINT)
    await add(stub, "b@example.com")
    assert await page(stub, suppression_pb2.ListSuppressionsRequest(reason=COMPLAINT)) == (
        ["a@example.com", "c@example.com"],
        "",
    )


async def test_an_address_with_a_joiner_in_it_can_end_a_page(stub: Stub) -> None:
    await add(stub, "a\u200cb@example.com", "z@example.com")
    _, token = await page(stub, suppression_pb2.ListSuppressionsRequest(page_size=1))
    rest = await page(stub, suppression_pb2.ListSuppressionsRequest(page_token=token))
    assert rest == (["z@example.com"], "")


async def test_a_listing_can_be_narrowed_to_addresses_that_begin_alike(stub: Stub) -> None:
    await add(stub, "ann@example.com", "anna@example.com", "bob@example.com")
    request = suppression_pb2.ListSuppressionsRequest(email_prefix="ANN", page_size=1)
    first, token = await page(stub, request)
    request.page_token = token
    assert (first, await page(stub, request)) == (
        ["ann@example.com"],
        (["anna@example.com"], ""),
    )


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"page_size": -1}, {"page_size": "OUT_OF_RANGE"}),
        ({"page_token": "cHJvdmlkZXJzOmE"}, {"page_token": "INVALID_PAGE_TOKEN"}),
        ({"reason": 99}, {"reason": "UNKNOWN_VALUE"}),
    ],
)
async def test_a_listing_refuses_what_it_cannot_do(
    stub: Stub, request_: dict[str, object], expected: dict[str, str]
) -> None:
    request = suppression_pb2.ListSuppressionsRequest(**request_)  # type: ignore[arg-type]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await page(stub, request)
    assert violations(caught.value) == expected


@pytest.mark.parametrize(
    ("emails", "expected"),
    [
        ((), {"emails": "REQUIRED"}),
        (("a@example.com",) * 1001, {"emails": "TOO_MANY"}),
        (
            ("a@example.com", "nobody", "Bob <bob@example.com>"),
            {"emails[1]": "INVALID_ADDRESS", "emails[2]": "INVALID_ADDRESS"},
        ),
    ],
)
async def test_addresses_that_are_wrong_are_refused_and_nothing_is_done(
    stub: Stub, emails: Sequence[str], expected: dict[str, str]
) -> None:
    await add(stub, "kept@example.com")
    for call in (add(stub, *emails), check(stub, *emails), remove(stub, *emails)):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert violations(caught.value) == expected
    assert await page(stub) == (["kept@example.com"], "")


async def test_all_that_is_wrong_with_an_addition_comes_at_once(stub: Stub) -> None:
    request = suppression_pb2.AddSuppressionsRequest(
        emails=["nobody"],
        reason=99,  # type: ignore[arg-type]  # What a newer client may send.
        detail="x" * 1025,
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.AddSuppressions(request)
    assert violations(caught.value) == {
        "emails[0]": "INVALID_ADDRESS",
        "reason": "UNKNOWN_VALUE",
        "detail": "TOO_LONG",
    }
