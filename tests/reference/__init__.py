"""What KAITO v0.12 accepts and refuses, manifest by manifest, and what is answered here."""

from typing import Final

from tests.reference.changes import CHANGES
from tests.reference.configuration import CONFIGURED
from tests.reference.existing import EXISTING
from tests.reference.inference import INFERENCE
from tests.reference.resources import RESOURCES
from tests.reference.rows import Row
from tests.reference.tuning import TUNING

ROWS: Final[tuple[Row, ...]] = (*INFERENCE, *RESOURCES, *CONFIGURED, *TUNING, *EXISTING, *CHANGES)
"""Every row, by subject."""
