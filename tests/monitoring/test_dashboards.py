"""Dashboards are what a current Grafana loads, and ask Prometheus for what there is."""

import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from hack.docs.registry import all_metrics, series_names
from hack.prometheus.binaries import Tools
from hack.prometheus.monitoring import Query, dashboards, filled_in, names_in, queries, recordings, write_rules
from tests.monitoring.promtool import promtool

DASHBOARDS = dashboards()
QUERIES = list(queries())
EACH_DASHBOARD = pytest.mark.parametrize("name", DASHBOARDS)
VARIABLES = {"__rate_interval": "5m", "namespace": "ml", "workspace": "phi"}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
TYPES = {"row", "stat", "table", "timeseries", "state-timeline"}


def test_there_is_one_for_the_fleet_and_one_for_a_workspace() -> None:
    assert set(DASHBOARDS) == {"kaito-fleet", "kaito-workspace"}
    assert all(dashboard["uid"] == name for name, dashboard in DASHBOARDS.items())


def test_promtool_reads_every_query(tools: Tools, tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:query:{number}", "expr": filled_in(query.expression, VARIABLES)}
        for number, query in enumerate(QUERIES)
    ]
    file = write_rules(tmp_path / "queries.yaml", [{"name": "panels", "rules": rules}])
    code, text = promtool(tools, "check", "rules", str(file))
    assert code == 0, text


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: f"{query.dashboard}-{query.panel}")
def test_a_query_reads_what_exists_and_leaves_no_variable_open(query: Query) -> None:
    expression = filled_in(query.expression, VARIABLES)
    assert "$" not in expression, f"an unknown variable is left in {expression}"
    unknown = names_in(expression) - series_names() - recordings().keys() - {"up"}
    assert not unknown, f"no program has {sorted(unknown)}"


@EACH_DASHBOARD
def test_variables_are_filled_from_labels_that_exist(name: str) -> None:
    first, *others = DASHBOARDS[name]["templating"]["list"]
    assert (first["name"], first["type"], first["query"]) == ("datasource", "datasource", "prometheus")
    for variable in others:
        match = re.fullmatch(r"label_values\((\w+)(?:\{[^}]*\})?, (\w+)\)", variable["definition"])
        assert match, f"{variable['definition']} is not understood"
        assert match[2] in all_metrics()[match[1]].labels
        assert variable["datasource"] == SOURCE
        assert variable["query"]["query"] == variable["definition"]


@EACH_DASHBOARD
def test_a_dashboard_has_the_form_grafana_reads(name: str) -> None:
    dashboard = DASHBOARDS[name]
    assert dashboard["schemaVersion"] >= 39
    assert "id" not in dashboard, "a number from somebody's Grafana would overwrite another dashboard"
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in dashboard["panels"]:
        assert panel["type"] in TYPES
        assert panel["title"]
        if panel["type"] != "row":
            _check_panel(panel)


def _check_panel(panel: dict[str, Any]) -> None:
    assert panel["description"].endswith("."), f"{panel['title']} does not say what it shows"
    assert panel["datasource"] == SOURCE
    assert panel["fieldConfig"]["defaults"]["unit"]
    marks = [target["refId"] for target in panel["targets"]]
    assert marks, f"{panel['title']} asks nothing"
    assert len(set(marks)) == len(marks)
    assert all(target["datasource"] == SOURCE for target in panel["targets"])
    assert all(target.get("instant", False) is (panel["type"] in ("stat", "table")) for target in panel["targets"])


@EACH_DASHBOARD
def test_no_panel_covers_another(name: str) -> None:
    for one, other in combinations(DASHBOARDS[name]["panels"], 2):
        a, b = one["gridPos"], other["gridPos"]
        apart = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        assert apart or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"], f"{one['title']}, {other['title']}"
        assert a["x"] + a["w"] <= 24


@EACH_DASHBOARD
def test_titles_are_used_once(name: str) -> None:
    titles = [panel["title"] for panel in DASHBOARDS[name]["panels"]]
    assert len(set(titles)) == len(titles)
