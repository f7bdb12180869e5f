"""What ESPs call our messages, for webhooks that name messages by their ids."""

import orjson
import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "esp_messages",
        sa.Column("provider_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("esp_message_id", sa.String(length=512), nullable=False),
        sa.Column("message_kind", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("ordinal", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("email_key", sa.String(length=320), nullable=False),
        sa.Column("stored_at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint(
            "provider_id",
            "esp_message_id",
            "message_kind",
            "number",
            "ordinal",
            name=op.f("pk_esp_messages"),
        ),
    )
    op.create_index(
        op.f("ix_esp_messages_message_kind_number_ordinal"),
        "esp_messages",
        ["message_kind", "number", "ordinal"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_esp_messages_message_kind_number_ordinal"), table_name="esp_messages")
    op.drop_table("esp_messages")
    _forget_predecessors()


def _forget_predecessors() -> None:
    """Cuts the ninth field from the requests of chunks; few have one."""
    chunks = sa.table("chunks", *map(sa.column, ("campaign_number", "number", "requests")))
    connection = op.get_bind()
    for row in connection.execute(sa.select(chunks).where(chunks.c.requests != "[]")).all():
        this = (chunks.c.campaign_number == row.campaign_number) & (chunks.c.number == row.number)
        requests = orjson.dumps([each[:8] for each in orjson.loads(row.requests)]).decode()
        connection.execute(sa.update(chunks).where(this).values(requests=requests))
