"""A chunk as a row, and back."""

from collections.abc import Mapping
from dataclasses import asdict
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
        requests=tuple(map(_request, orjson.loads(row.requests))),
    )


def chunk_values(chunk: Chunk) -> Mapping[str, object]:
    """The columns that a step of a worker changes."""
    return {
        "state": chunk.state,
        "open": chunk.open.to_bytes((chunk.size + 7) // 8, "little"),
        "requests": orjson.dumps([asdict(request) for request in chunk.requests]).decode(),
        "not_before": chunk.not_before(),
    }


def _request(fields: dict[str, Any]) -> OpenRequest:
    fields["ordinals"], fields["omitted"] = tuple(fields["ordinals"]), tuple(fields["omitted"])
    return OpenRequest(**fields)
