"""A whole dashboard as one picture, its panels where Grafana puts them."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from hack.devcluster.layout import REPOSITORY
from hack.pictures.frames import Frame
from hack.pictures.panels import GREY, LINES, Box, contents
from hack.pictures.svg import document, element, text

Json = dict[str, Any]

FOLDER: Final = REPOSITORY / "docs" / "operations" / "pictures"
"""Where the documents keep them."""

COLUMN: Final = 60.0
ROW: Final = 30.0
"""Pixels of one unit of Grafana's grid of 24 columns."""

MARGIN: Final = 12.0
_HEAD: Final = 52.0
_GAP: Final = 4.0


def picture(dashboard: Json, frames: Sequence[Frame], note: str) -> str:
    """The dashboard with its data, as SVG.

    Args:
        dashboard: as Grafana reads it.
        frames: the data of each panel that shows any.
        note: what people should know of the data, in a line below the title.
    """
    width = 24 * COLUMN + 2 * MARGIN
    bottom = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"])
    height = _HEAD + bottom * ROW + MARGIN
    of_panel = {frame.panel["id"]: frame for frame in frames}
    return document(
        width,
        height,
        dashboard["title"],
        element("rect", width=width, height=height, fill="#f4f5f7"),
        text(dashboard["title"], MARGIN + _GAP, 24, size=18, font_weight=600),
        text(note, MARGIN + _GAP, 43, size=12, fill=GREY),
        *(_panel(panel, of_panel) for panel in dashboard["panels"]),
    )


def _panel(panel: Json, frames: Mapping[int, Frame]) -> str:
    at = panel["gridPos"]
    box = Box(MARGIN + at["x"] * COLUMN, _HEAD + at["y"] * ROW, at["w"] * COLUMN, at["h"] * ROW)
    if panel["type"] == "row":
        return text(panel["title"], box.x + _GAP, box.y + ROW * 0.7, size=14, font_weight=600)
    card = {"x": box.x + _GAP, "y": box.y + _GAP, "width": box.width - 2 * _GAP, "height": box.height - 2 * _GAP}
    inner = Box(box.x + 16, box.y + 34, box.width - 32, box.height - 46)
    return element(
        "g",
        element("rect", **card, rx=3, fill="#ffffff", stroke=LINES),
        element("title", escape(panel["description"])),
        text(panel["title"], box.x + 16, box.y + 24, size=13, font_weight=600),
        contents(frames[panel["id"]], inner),
        data_panel=panel["title"],
    )
