"""The page on sizing shows sums that are made now."""

from hack.docs.pages import REPOSITORY
from hack.docs.sizing_page import sizing_page


def test_the_page_is_current() -> None:
    written = (REPOSITORY / "docs/reference/sizing.md").read_text(encoding="utf-8")
    assert written == sizing_page(), "run python -m hack.docs"


def test_the_example_of_the_mission_fits_both_ways() -> None:
    heads = [line for line in sizing_page().splitlines() if line.startswith("phi-3-mini-4k-instruct on ")]
    assert [line.partition(": ")[2].partition(",")[0] for line in heads] == ["fits", "fits"]
