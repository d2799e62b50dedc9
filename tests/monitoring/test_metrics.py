"""What the programs serve passes the linter of Prometheus, and the page of metrics tells all of it."""

import re

import pytest

from hack.devcluster.layout import REPOSITORY
from hack.docs.registry import PROGRAMS, all_metrics, described, scrape_of
from hack.prometheus.binaries import Tools
from tests.monitoring.promtool import promtool

EACH_PROGRAM = pytest.mark.parametrize("program", PROGRAMS)
UNBOUNDED = {"uid", "message", "error", "path", "url", "image", "user"}
"""Labels whose values nobody could bound."""


@EACH_PROGRAM
def test_the_scrape_of_a_program_passes_the_linter(tools: Tools, program: str) -> None:
    code, text = promtool(tools, "check", "metrics", stdin=scrape_of(program))
    assert (code, text) == (0, "")


def test_the_linter_objects_to_a_name_without_its_unit(tools: Tools) -> None:
    code, text = promtool(tools, "check", "metrics", stdin="# TYPE kaito_wait_minutes gauge\nkaito_wait_minutes 1\n")
    assert code != 0, "the linter accepts everything"
    assert "kaito_wait_minutes" in text


@EACH_PROGRAM
def test_the_linter_sees_every_metric_of_a_program(program: str) -> None:
    seen = set(re.findall(r"^# TYPE (\S+)", scrape_of(program), re.MULTILINE))
    sampled = {line.split("{")[0].split(" ")[0] for line in scrape_of(program).splitlines() if not line.startswith("#")}
    for metric in described(program):
        assert metric.name in seen
        assert any(name.startswith(metric.name) for name in sampled), f"{metric.name} has no series to be checked"


def test_programs_that_share_a_metric_describe_it_alike() -> None:
    for program in PROGRAMS:
        for metric in described(program):
            assert all_metrics()[metric.name] == metric


def test_labels_have_values_from_closed_lists() -> None:
    for metric in all_metrics().values():
        assert not UNBOUNDED & set(metric.labels), f"{metric.name} may grow without end"


def test_the_page_of_metrics_has_a_row_for_each() -> None:
    text = (REPOSITORY / "docs/reference/metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", text, re.MULTILINE)
    assert set(rows) == {(metric.name, metric.type) for metric in all_metrics().values()}
