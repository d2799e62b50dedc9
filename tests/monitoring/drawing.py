"""The dashboards of a system that runs, drawn; for the documents when asked to."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from hack.pictures.frames import Frame, Span, record
from hack.pictures.picture import FOLDER, picture
from hack.prometheus.monitoring import dashboards
from hack.prometheus.server import Prometheus
from tests.cluster.harness import eventually
from tests.monitoring.live import PATIENCE_SECONDS, Json

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
    drawn = 0
    for name, dashboard in dashboards().items():
        frames = await _full(prometheus, dashboard, began, variables)
        (folder / f"{name}.svg").write_text(picture(dashboard, frames, NOTE), encoding="utf-8")
        drawn += len(frames)
    return f"{drawn}/{drawn}"


async def _full(
    prometheus: Prometheus, dashboard: Json, began: float, variables: Mapping[str, str]
) -> tuple[Frame, ...]:
    """The data of every panel, at the first moment in which all have some: a scrape that came late leaves a hole."""
    frames: tuple[Frame, ...] = ()

    async def all_have_data() -> str:
        nonlocal frames
        now = time.time()
        frames = await record(prometheus, dashboard, Span(max(began, now - LONGEST_SECONDS), now), variables)
        empty = [frame.panel["title"] for frame in frames if not frame.series]
        return f"{dashboard['title']} has panels without data: {empty}" if empty else ""

    await eventually(all_have_data, PATIENCE_SECONDS)
    return frames
