"""The circuit breaker of a provider, the revision of a chunk, and its requests as arrays."""

from collections.abc import Callable

import orjson
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# The fields of a request, in the order in which they stand in its array.
_FIELDS = (
    *("ordinals", "provider_version", "omitted", "attempts"),
    *("first_attempt_at", "not_before", "posting", "doubtful"),
)
_COUNTERS = {"chunks": ("revision",), "providers": ("failures", "opened")}


def upgrade() -> None:
    for table, names in _COUNTERS.items():
        for name in names:
            op.add_column(table, sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
    until = sa.Column("open_until", sa.Float(precision=53), nullable=False, server_default="0")
    op.add_column("providers", until)
    op.add_column("providers", sa.Column("failure", sa.Text(), nullable=False, server_default=""))
    _convert(lambda request: [request[name] for name in _FIELDS])


def downgrade() -> None:
    for name in ("failure", "open_until"):
        op.drop_column("providers", name)
    for table, names in _COUNTERS.items():
        for name in names:
            op.drop_column(table, name)
    _convert(lambda request: dict(zip(_FIELDS, request, strict=True)))


def _convert(convert: Callable[..., object]) -> None:
    """Writes the requests of every chunk anew; few chunks have some."""
    chunks = sa.table("chunks", *map(sa.column, ("campaign_number", "number", "requests")))
    connection = op.get_bind()
    for row in connection.execute(sa.select(chunks).where(chunks.c.requests != "[]")).all():
        this = (chunks.c.campaign_number == row.campaign_number) & (chunks.c.number == row.number)
        requests = orjson.dumps([convert(each) for each in orjson.loads(row.requests)]).decode()
        connection.execute(sa.update(chunks).where(this).values(requests=requests))
