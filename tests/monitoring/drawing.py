"""The dashboards of a system that runs, drawn; for the documents when asked to."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from hack.pictures.frames import Span, record
from hack.pictures.picture import FOLDER, picture
from hack.prometheus.monitoring import dashboards
from hack.prometheus.server import Prometheus

FOR_DOCUMENTS: Final = os.environ.get("KAITO_PICTURES", "") not in ("", "0")
"""Whether the pictures replace those of the documents, as `make dashboards` asks for."""

LONGEST_SECONDS: Final = 240.0
NOTE: Final = "From a run of the tests on the local control plane, where nodes come eight times as fast as Azure's."


async def draw(prometheus: Prometheus, began: float, folder: Path, variables: Mapping[str, str]) -> str:
    """Draws both dashboards since `began` (seconds since 1970) into the folder; how many panels there are with data.

    Raises:
        AssertionError: a panel has none.
    """
    folder = FOLDER if FOR_DOCUMENTS else folder
    folder.mkdir(parents=True, exist_ok=True)
    now, drawn = time.time(), 0
    span = Span(max(began, now - LONGEST_SECONDS), now)
    for name, dashboard in dashboards().items():
        frames = await record(prometheus, dashboard, span, variables)
        empty = [frame.panel["title"] for frame in frames if not frame.series]
        assert not empty, f"{name} has panels without data: {empty}"
        (folder / f"{name}.svg").write_text(picture(dashboard, frames, NOTE), encoding="utf-8")
        drawn += len(frames)
    return f"{drawn}/{drawn}"
