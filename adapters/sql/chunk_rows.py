"""A chunk as a row, and back."""

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import Row

from domain.chunk import Chunk, ChunkState, OpenRequest


def read_chunk(row: Row[Any]) -> Chunk:
    return Chunk(
        campaign_number=row.campaign_number,
        number=row.number,
        size=row.size,
        state=ChunkState(row.state),
        epoch=row.epoch,
        open=int.from_bytes(row.open, "little"),
        requests=read_requests(row.requests),
    )


def chunk_values(chunk: Chunk) -> Mapping[str, object]:
    """The columns that a step of a worker changes."""
    return {
        "state": int(chunk.state),
        "open": chunk.open.to_bytes((chunk.size + 7) // 8, "little"),
        "requests": write_requests(chunk.requests),
        "not_before": chunk.not_before(),
    }


def read_requests(text: str) -> tuple[OpenRequest, ...]:
    return tuple(map(_request, orjson.loads(text)))


def write_requests(requests: tuple[OpenRequest, ...]) -> str:
    """Arrays without names: with one message to a request there are many, written very often."""
    rows = [
        (
            *(r.ordinals, r.provider_version, r.omitted, r.attempts),
            *(r.first_attempt_at, r.not_before, r.posting, r.doubtful),
            # Nearly no request has one, and those that were written before it was have none.
            *((r.predecessors,) if r.predecessors else ()),
        )
        for r in requests
    ]
    return orjson.dumps(rows).decode()


def _request(row: list[Any]) -> OpenRequest:
    ordinals, version, omitted, attempts, first_attempt_at, not_before, posting, doubtful = row[:8]
    return OpenRequest(
        ordinals=tuple(ordinals),
        provider_version=version,
        omitted=tuple(omitted),
        attempts=attempts,
        first_attempt_at=first_attempt_at,
        not_before=not_before,
        posting=posting,
        doubtful=doubtful,
        predecessors=row[8] if len(row) > 8 else 0,
    )
