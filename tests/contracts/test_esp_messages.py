"""What every EspMessages must do."""

import pytest

from domain.chunk import Change
from domain.message import MessageState
from domain.message_id import MessageKind, MessageRef
from services.ports import MAX_ESP_MESSAGE_ID, EspMessage, Move, Step
from tests.contracts.bench import Bench, posting
from tests.contracts.ports import Ports

FIRST = MessageRef(MessageKind.CAMPAIGN, 7, 0)
SECOND = MessageRef(MessageKind.CAMPAIGN, 7, 1)
TEST = MessageRef(MessageKind.TEST, 7, 0)


def called(esp_message_id: str, message: MessageRef, email: str = "a@example.com") -> EspMessage:
    return EspMessage(esp_message_id, message, email)


async def test_a_message_is_found_by_what_its_esp_calls_it(ports: Ports) -> None:
    await ports.esp_messages.add(1, [called("70650219165027410", FIRST), called("x", TEST)])
    assert await ports.esp_messages.find(1, "70650219165027410", "a@example.com") == FIRST
    assert await ports.esp_messages.find(1, "x", "a@example.com") == TEST
    assert await ports.esp_messages.find(1, "70650219165027411", "a@example.com") is None


async def test_an_id_of_one_message_names_it_whatever_the_address_is(ports: Ports) -> None:
    await ports.esp_messages.add(1, [called("x", FIRST)])
    assert await ports.esp_messages.find(1, "x", "copy@example.com") == FIRST
    assert await ports.esp_messages.find(1, "x", "") == FIRST


async def test_the_address_tells_messages_apart_that_share_an_id(ports: Ports) -> None:
    shared = [called("x", FIRST, "Ann@Example.com"), called("x", SECOND, "bob@example.com")]
    await ports.esp_messages.add(1, shared)
    assert await ports.esp_messages.find(1, "x", "ann@example.COM") == FIRST
    assert await ports.esp_messages.find(1, "x", "bob@example.com") == SECOND
    assert await ports.esp_messages.find(1, "x", "eve@example.com") is None
    assert await ports.esp_messages.find(1, "x", "") is None


async def test_the_ids_of_two_providers_have_nothing_to_do_with_each_other(ports: Ports) -> None:
    await ports.esp_messages.add(1, [called("x", FIRST)])
    await ports.esp_messages.add(2, [called("x", SECOND)])
    assert await ports.esp_messages.find(1, "x", "") == FIRST
    assert await ports.esp_messages.find(2, "x", "") == SECOND
    assert await ports.esp_messages.find(3, "x", "") is None


async def test_a_repeat_changes_nothing(ports: Ports) -> None:
    for _ in range(2):
        await ports.esp_messages.add(1, [called("x", FIRST), called("x", FIRST)])
    assert await ports.esp_messages.find(1, "x", "") == FIRST


async def test_the_last_id_of_a_message_is_the_one_that_is_told(ports: Ports) -> None:
    assert await ports.esp_messages.id_of(FIRST) == ""
    await ports.esp_messages.add(1, [called("z", FIRST)])
    await ports.esp_messages.add(1, [called("y", SECOND), called("test", TEST)])
    ports.clock.advance(1)
    await ports.esp_messages.add(1, [called("a", FIRST)])
    assert await ports.esp_messages.id_of(FIRST) == "a"
    assert await ports.esp_messages.id_of(TEST) == "test"
    # What an ESP says of the earlier one is still said of this message.
    assert await ports.esp_messages.find(1, "z", "") == FIRST


@pytest.mark.parametrize(("length", "is_kept"), [(MAX_ESP_MESSAGE_ID, True), (513, False)])
async def test_what_is_too_long_for_an_id_is_passed_over(
    ports: Ports, length: int, is_kept: bool
) -> None:
    await ports.esp_messages.add(1, [called("x" * length, FIRST), called("y", SECOND)])
    assert (await ports.esp_messages.id_of(FIRST) != "") is is_kept
    assert await ports.esp_messages.id_of(SECOND) == "y"


async def test_a_step_stores_what_the_esp_calls_its_messages(bench: Bench) -> None:
    number = await bench.campaign(2)
    (claim,) = await bench.claim()
    step, request = posting(claim, 0, 1)
    message = MessageRef(MessageKind.CAMPAIGN, number, 1)
    ends = Step(
        key=step.key,
        change=Change(dropped=(request,), settled=(0, 1)),
        moves=(Move((0, 1), MessageState.SENDING, MessageState.ACCEPTED),),
        esp_messages=(called("x", message),),
    )
    assert await bench.record(step, ends) == [True, True]
    ids, provider_id = bench.ports.esp_messages, bench.provider.provider_id
    assert await ids.find(provider_id, "x", "") == message
    late = Step(key=step.key._replace(epoch=9), change=Change(), esp_messages=ends.esp_messages)
    assert await bench.record(late) == [False]
