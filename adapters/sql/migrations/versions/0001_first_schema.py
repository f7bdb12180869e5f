"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "campaigns",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("request_id", sa.String(length=128), nullable=True),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=True),
        sa.Column("provider_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("envelope", sa.Text(), nullable=False),
        sa.Column("guarantee", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("state_reason", sa.Text(), nullable=False),
        sa.Column("recipients", sa.BigInteger(), nullable=False),
        sa.Column("send_at", sa.Float(precision=53), nullable=True),
        sa.Column("send_before", sa.Float(precision=53), nullable=True),
        sa.Column("lane", sa.SmallInteger(), nullable=False),
        sa.Column("claimed_at", sa.Float(precision=53), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.Column("started_at", sa.Float(precision=53), nullable=True),
        sa.Column("ended_at", sa.Float(precision=53), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_campaigns")),
        sa.UniqueConstraint("request_id", name=op.f("uq_campaigns_request_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_campaigns_provider_id_state"), "campaigns", ["provider_id", "state"], unique=False
    )
    op.create_index(
        op.f("ix_campaigns_state_lane_claimed_at"),
        "campaigns",
        ["state", "lane", "claimed_at"],
        unique=False,
    )
    op.create_table(
        "chunks",
        sa.Column("campaign_number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(length=64), nullable=False),
        sa.Column("lease_until", sa.Float(precision=53), nullable=False),
        sa.Column("not_before", sa.Float(precision=53), nullable=False),
        sa.Column("open", sa.LargeBinary(), nullable=False),
        sa.Column("requests", sa.Text(), nullable=False),
        sa.Column("queued", sa.Integer(), nullable=False),
        sa.Column("sending", sa.Integer(), nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("suppressed", sa.Integer(), nullable=False),
        sa.Column("duplicate", sa.Integer(), nullable=False),
        sa.Column("unknown", sa.Integer(), nullable=False),
        sa.Column("cancelled", sa.Integer(), nullable=False),
        sa.Column("expired", sa.Integer(), nullable=False),
        sa.Column("delivered", sa.Integer(), nullable=False),
        sa.Column("soft_bounced", sa.Integer(), nullable=False),
        sa.Column("hard_bounced", sa.Integer(), nullable=False),
        sa.Column("unsubscribed", sa.Integer(), nullable=False),
        sa.Column("complained", sa.Integer(), nullable=False),
        sa.Column("clicked", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("campaign_number", "number", name=op.f("pk_chunks")),
    )
    op.create_index(
        op.f("ix_chunks_campaign_number_state_not_before"),
        "chunks",
        ["campaign_number", "state", "not_before"],
        unique=False,
    )
    op.create_index(
        op.f("ix_chunks_state_lease_until"), "chunks", ["state", "lease_until"], unique=False
    )
    op.create_table(
        "contents",
        sa.Column("campaign_number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("campaign_number", name=op.f("pk_contents")),
    )
    op.create_table(
        "events",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("provider_id", sa.BigInteger(), nullable=False),
        sa.Column("message_kind", sa.SmallInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
        sa.Column("ordinals", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("callback_type", sa.String(length=16), nullable=True),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.Float(precision=53), nullable=False),
        sa.Column("received_at", sa.Float(precision=53), nullable=False),
        sa.Column("digest", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_events")),
        sa.UniqueConstraint(
            "message_kind",
            "number",
            "ordinal",
            "digest",
            name=op.f("uq_events_message_kind_number_ordinal_digest"),
        ),
    )
    op.create_index(
        op.f("ix_events_message_kind_number_position"),
        "events",
        ["message_kind", "number", "position"],
        unique=False,
    )
    op.create_table(
        "installation",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key_check", sa.LargeBinary(), nullable=False),
        sa.Column("last_position", sa.BigInteger(), nullable=False),
        sa.Column("folded_position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
    )
    op.create_table(
        "messages",
        sa.Column("campaign_number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("ordinal", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Float(precision=53), nullable=False),
        sa.Column("lost_at", sa.Float(precision=53), nullable=True),
        sa.PrimaryKeyConstraint("campaign_number", "ordinal", name=op.f("pk_messages")),
    )
    op.create_table(
        "provider_versions",
        sa.Column("provider_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("config", sa.Text(), nullable=False),
        sa.Column("secrets", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("provider_id", "version", name=op.f("pk_provider_versions")),
    )
    op.create_table(
        "providers",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("nickname", sa.String(length=63), nullable=False),
        sa.Column("nickname_key", sa.String(length=63), nullable=True),
        sa.Column("callback_token", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.Column("updated_at", sa.Float(precision=53), nullable=False),
        sa.Column("paused_until", sa.Float(precision=53), nullable=True),
        sa.Column("pause_reason", sa.Text(), nullable=False),
        sa.Column("in_flight", sa.Integer(), nullable=False),
        sa.Column("next_request_at", sa.Float(precision=53), nullable=False),
        sa.Column("next_message_at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_providers")),
        sa.UniqueConstraint("callback_token", name=op.f("uq_providers_callback_token")),
        sa.UniqueConstraint("nickname_key", name=op.f("uq_providers_nickname_key")),
    )
    op.create_table(
        "recipients",
        sa.Column("campaign_number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("chunk_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("campaign_number", "chunk_number", name=op.f("pk_recipients")),
    )
    op.create_table(
        "suppressions",
        sa.Column("key", sa.String(length=320), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("event_position", sa.BigInteger(), nullable=True),
        sa.Column("campaign_number", sa.BigInteger(), nullable=True),
        sa.Column("ordinal", sa.BigInteger(), nullable=True),
        sa.Column("provider", sa.String(length=63), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_suppressions")),
    )
    op.create_table(
        "test_messages",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("provider_id", sa.BigInteger(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_test_messages")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "unprocessed_events",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("provider_id", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.Float(precision=53), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unprocessed_events")),
    )

    op.execute(
        sa.text(
            "INSERT INTO installation (id, key_check, last_position, folded_position) "
            "VALUES (1, :key, 0, 0)"
        ).bindparams(sa.bindparam("key", b"", sa.LargeBinary))
    )


def downgrade() -> None:
    op.drop_table("unprocessed_events")
    op.drop_table("test_messages")
    op.drop_table("suppressions")
    op.drop_table("recipients")
    op.drop_table("providers")
    op.drop_table("provider_versions")
    op.drop_table("messages")
    op.drop_table("installation")
    op.drop_table("events")
    op.drop_table("contents")
    op.drop_index(op.f("ix_chunks_state_lease_until"), table_name="chunks")
    op.drop_index(op.f("ix_chunks_campaign_number_state_not_before"), table_name="chunks")
    op.drop_table("chunks")
    op.drop_index(op.f("ix_campaigns_state_lane_claimed_at"), table_name="campaigns")
    op.drop_index(op.f("ix_campaigns_provider_id_state"), table_name="campaigns")
    op.drop_table("campaigns")
