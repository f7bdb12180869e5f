from dataclasses import replace

import orjson

from adapters.sql.chunk_rows import read_requests, write_requests
from domain.chunk import OpenRequest

REQUEST = OpenRequest(
    ordinals=(1001, 1003),
    provider_version=2,
    omitted=("copy@example.com",),
    attempts=3,
    first_attempt_at=1750000000.25,
    not_before=1750000009.5,
    doubtful=True,
)


def test_requests_come_back_as_they_were_written() -> None:
    requests = (REQUEST, OpenRequest(ordinals=(7,), provider_version=1, posting=True))
    renewed = tuple(replace(request, predecessors=2) for request in requests)
    assert read_requests(write_requests(requests)) == requests
    assert read_requests(write_requests(renewed)) == renewed


def test_a_request_without_predecessors_is_written_as_before_there_were_any() -> None:
    assert [len(row) for row in orjson.loads(write_requests((REQUEST,)))] == [8]
