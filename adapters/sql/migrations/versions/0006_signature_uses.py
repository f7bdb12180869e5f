"""What signed requests of ESPs leave behind, so that none is taken for a new one."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "signature_uses",
        sa.Column("use_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("body_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("until", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("use_digest", name=op.f("pk_signature_uses")),
    )
    op.create_index(op.f("ix_signature_uses_until"), "signature_uses", ["until"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_signature_uses_until"), table_name="signature_uses")
    op.drop_table("signature_uses")
