"""What is read out of PromQL, and how Grafana's variables are filled in."""

from pathlib import Path

import pytest

from hack.prometheus.monitoring import filled_in, names_in, selectors_in
from hack.prometheus.server import Target, configuration


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("up", {"up"}),
        ('sum by (a, b) (rate(x_total{code=~"5..|(y)"}[5m])) / on (c) group_left (d) z > 1e3', {"x_total", "z"}),
        ("kaito:a:b unless on (n) max(c) without (d)", {"kaito:a:b", "c"}),
        ("time() - max(x) > bool 0 or vector(0)", {"x"}),
        ("x offset 5m and y", {"x", "y"}),
    ],
)
def test_the_metrics_of_an_expression(expression: str, names: set[str]) -> None:
    assert names_in(expression) == names


def test_the_selectors_of_an_expression() -> None:
    expression = 'sum by (job) (rate(a_total{code="5"}[5m])) / sum(rate(a_total[5m])) and b{c!="(d)"}'
    assert selectors_in(expression) == {'a_total{code="5"}', "a_total", 'b{c!="(d)"}'}


def test_variables_are_filled_in_whole() -> None:
    text = filled_in('rate(x{n="$namespace",w="${w}"}[$__rate_interval])', {"n": "?", "namespace": "ml", "w": "phi"})
    assert text == 'rate(x{n="ml",w="phi"}[$__rate_interval])'


def test_every_target_is_scraped_under_the_name_of_its_program() -> None:
    targets = [Target("web", "web-0", 1), Target("web", "web-1", 2), Target("db", "db-0", 3)]
    made = configuration(targets, "here", [Path("/rules")], "1s")
    assert made["rule_files"] == ["/rules"]
    assert [(job["job_name"], len(job["static_configs"])) for job in made["scrape_configs"]] == [("db", 1), ("web", 2)]
    (first, _) = made["scrape_configs"][1]["static_configs"]
    assert first == {"targets": ["127.0.0.1:1"], "labels": {"namespace": "here", "pod": "web-0"}}
