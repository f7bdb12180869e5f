"""Requests to callback URLs as they came, kept for a while so that they can be read again."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "kept_requests",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("provider_id", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.Float(precision=53), nullable=False),
        sa.Column("keep_until", sa.Float(precision=53), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kept_requests")),
    )
    op.create_index(
        op.f("ix_kept_requests_provider_id_id"),
        "kept_requests",
        ["provider_id", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_kept_requests_keep_until"), "kept_requests", ["keep_until"], unique=False
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_kept_requests_keep_until"), table_name="kept_requests")
    op.drop_index(op.f("ix_kept_requests_provider_id_id"), table_name="kept_requests")
    op.drop_table("kept_requests")
