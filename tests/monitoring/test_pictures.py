"""The pictures of the documents show every panel there is, with data, and the page shows the pictures."""

import re
from xml.etree import ElementTree as ET

import pytest

from hack.devcluster.layout import REPOSITORY
from hack.pictures.panels import NO_DATA
from hack.pictures.picture import FOLDER
from hack.prometheus.monitoring import alerts, dashboards

DASHBOARDS = dashboards()
PAGE = (REPOSITORY / "docs" / "operations" / "monitoring.md").read_text(encoding="utf-8")
AGAIN = "`make dashboards` draws it anew"


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_picture_shows_every_panel_with_data(name: str) -> None:
    root = ET.parse(FOLDER / f"{name}.svg").getroot()
    drawn = {
        group.attrib["data-panel"]: "".join(group.itertext()) for group in root.iter() if "data-panel" in group.attrib
    }
    wanted = {panel["title"] for panel in DASHBOARDS[name]["panels"] if panel["type"] != "row"}
    assert set(drawn) == wanted, f"{name} has changed since: {AGAIN}"
    assert not [title for title, words in drawn.items() if NO_DATA in words], AGAIN
    titles = {panel["title"]: panel["description"] for panel in DASHBOARDS[name]["panels"] if panel["type"] != "row"}
    assert not [title for title, words in drawn.items() if titles[title] not in words], AGAIN


def test_the_page_shows_both_and_nothing_else_lies_about() -> None:
    assert set(re.findall(r"\(pictures/([\w-]+)\.svg\)", PAGE)) == set(DASHBOARDS)
    assert {path.name for path in FOLDER.iterdir()} == {f"{name}.svg" for name in DASHBOARDS}


def test_the_page_tells_how_each_alert_was_seen_to_fire() -> None:
    rows = PAGE[PAGE.index("## Alerts") :]
    assert sorted(re.findall(r"`(Kaito\w+)`", rows)) == sorted(alerts())
