"""${message}"""

import sqlalchemy as sa
from alembic import op

from clinic.persistence.types import UTC

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What changes."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """How to go back."""
    ${downgrades if downgrades else "pass"}
