"""A webhook with a defect in it: every review it is to validate ends with an unexpected exception."""

from typing import NoReturn
from unittest.mock import patch

from webhook.__main__ import main
from webhook.admission import Judge


def defect(*_: object) -> NoReturn:
    raise RuntimeError("a defect put in by a test")


if __name__ == "__main__":
    with patch.object(Judge, "validate", defect):
        main()
