"""The rules are read by the real promtool, and every alert fires when it should and only then."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.docs.registry import series_names
from hack.prometheus.binaries import Tools
from hack.prometheus.monitoring import RUNBOOKS, alerts, names_in, recordings, rule_groups, write_rules
from tests.monitoring.cases import CASES, Case
from tests.monitoring.promtool import promtool

ALERTS = alerts()
EACH_ALERT = pytest.mark.parametrize("name", ALERTS)


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rules as Prometheus reads them."""
    return write_rules(tmp_path_factory.mktemp("rules") / "rules.yaml", rule_groups())


def test_promtool_finds_nothing_wrong(tools: Tools, rules: Path) -> None:
    code, text = promtool(tools, "check", "rules", "--lint=all", "--lint-fatal", str(rules))
    assert code == 0, text


def test_rules_read_metrics_that_exist() -> None:
    known = series_names() | recordings().keys() | {"up"}
    read = {name: names_in(rule["expr"]) for name, rule in {**ALERTS, **recordings()}.items()}
    unknown = {name: sorted(names - known) for name, names in read.items() if names - known}
    assert not unknown, f"rules read metrics that no program has: {unknown}"


@EACH_ALERT
def test_an_alert_says_what_is_wrong_and_where_help_stands(name: str) -> None:
    rule = ALERTS[name]
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{name}.md"
    assert rule["labels"] in ({"severity": "critical"}, {"severity": "warning"})
    assert all(rule["annotations"][part].endswith(".") for part in ("summary", "description"))


@EACH_ALERT
def test_a_runbook_says_what_it_means_what_to_look_at_and_what_to_do(name: str) -> None:
    text = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {name}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Meaning", "Look", "Do"]
    assert "```console\n$ " in text, "it names no command"


def test_every_runbook_has_its_alert_and_is_listed() -> None:
    written = {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"}
    assert written == set(ALERTS)
    rows = re.findall(r"^\| \[(\w+)\]\(\1\.md\) \| (\w+) \| (.+) \|$", _index(), re.MULTILINE)
    assert sorted(rows) == sorted(
        (name, rule["labels"]["severity"], rule["annotations"]["description"]) for name, rule in ALERTS.items()
    )


def _index() -> str:
    return (RUNBOOKS / "README.md").read_text(encoding="utf-8")


def test_every_alert_has_a_case() -> None:
    assert {case.alert for case in CASES} == set(ALERTS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join((case.alert, *case.labels.values())))
def test_an_alert_fires_when_it_should_and_only_then(tools: Tools, rules: Path, tmp_path: Path, case: Case) -> None:
    annotations = ALERTS[case.alert]["annotations"] | {"summary": case.summary}
    labels = {**case.labels, **ALERTS[case.alert]["labels"]}
    tests = [
        _test(case, case.fires, [{"exp_labels": labels, "exp_annotations": annotations}]),
        _test(case, case.quiet, []),
    ]
    file = tmp_path / "test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": tests}))
    code, text = promtool(tools, "test", "rules", str(file))
    assert code == 0, text


def _test(case: Case, series: Any, expected: list[Any]) -> dict[str, Any]:
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": case.at, "alertname": case.alert, "exp_alerts": expected}],
    }
