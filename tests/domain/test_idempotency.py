from dataclasses import replace
from typing import Any

import pytest

from domain.chunk import OpenRequest
from domain.idempotency import request_key
from domain.message_id import MessageIds

IDS = MessageIds(b"k" * 32)


def request(*ordinals: int, **changes: Any) -> OpenRequest:
    return replace(OpenRequest(ordinals=ordinals, provider_version=1), **changes)


def key(of: OpenRequest, *, number: int = 7, ids: MessageIds = IDS) -> str:
    return request_key(ids, number, of)


@pytest.mark.parametrize(
    "other",
    [
        request(1, 2, 4),
        request(1, 2),
        request(1, 3, 2),
        request(1, 2, 3, provider_version=2),
        request(1, 2, 3, omitted=("c@example.com",)),
    ],
    ids=["another message", "fewer", "another order", "another version", "a copy left out"],
)
def test_only_the_same_bytes_have_the_same_idempotency_key(other: OpenRequest) -> None:
    assert key(request(1, 2, 3)) != key(other)


def test_the_idempotency_key_of_a_repeat_is_that_of_the_first_attempt() -> None:
    first = request(1, 2, 3)
    again = replace(first, attempts=4, not_before=9.0, posting=True, doubtful=True)
    assert key(first) == key(again)
    assert key(first) != key(first, number=8)


def test_what_the_esp_takes_later_has_a_key_of_its_own_each_time() -> None:
    renewed = [key(request(1, 2, 3, predecessors=number)) for number in range(3)]
    assert len(set(renewed)) == 3
    assert key(request(1, 2, 3, predecessors=1, attempts=5)) == renewed[1]


def test_two_installations_never_share_an_idempotency_key() -> None:
    assert key(request(1)) != key(request(1), ids=MessageIds(b"o" * 32))
