"""What was sent again by an operator, with when its first answer was lost."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "resends",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("campaign_number", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
        sa.Column("lost_at", sa.Float(precision=53), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("resent_at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resends")),
    )
    op.create_index(
        op.f("ix_resends_campaign_number_ordinal"),
        "resends",
        ["campaign_number", "ordinal"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_resends_campaign_number_ordinal"), table_name="resends")
    op.drop_table("resends")
