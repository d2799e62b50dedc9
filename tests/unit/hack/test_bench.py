"""The bench measures what it says: right answers, honest quantiles, bounds that can be missed."""

import json
from pathlib import Path

import pytest

from controller.planning.site import Site
from hack.bench import audit, page
from hack.bench.audit import Call, Span
from hack.bench.claims import Plan
from hack.bench.figures import (
    TARGETS,
    Figure,
    Record,
    Target,
    latencies,
    load,
    load_targets,
    missed,
    quantile,
    report,
    save,
    unit,
)
from hack.bench.mix import CONFIG_DATA, MUTATE, REQUESTS, VALIDATE, Question, mix
from hack.bench.parts import PARTS
from hack.bench.process import total
from hack.bench.workspaces import Sizes
from webhook.admission import Judge
from webhook.review import parse_review

SITE = Site(config_maps=lambda *_: CONFIG_DATA)
JUDGE = Judge(lambda: SITE)
DECIDES = {MUTATE: JUDGE.mutate, VALIDATE: JUDGE.validate}


@pytest.mark.parametrize("question", dict.fromkeys(mix()), ids=lambda each: f"{each.name} {each.path}")
def test_every_question_of_the_mix_gets_the_answer_it_counts_on(question: Question) -> None:
    verdict = DECIDES[question.path](parse_review(question.body))
    assert verdict.allowed is question.allowed, verdict


def test_a_round_asks_every_request_as_often_as_it_weighs() -> None:
    asked = [question for question in mix() if question.path == MUTATE]
    assert len(asked) == sum(each.weight for each in REQUESTS)
    assert len(mix()) == sum(each.weight * (2 if each.allowed else 1) for each in REQUESTS)


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 50), (0.99, 99), (0.991, 100), (1.0, 100)])
def test_a_quantile_is_a_value_that_was_measured(share: float, value: float) -> None:
    assert quantile(list(range(100, 0, -1)), share) == value


def test_nothing_has_no_quantile() -> None:
    with pytest.raises(ValueError, match="no values"):
        quantile([], 0.5)


def test_durations_become_milliseconds() -> None:
    assert [(each.key, each.value) for each in latencies("a", "A", [0.001, 0.002])] == [
        ("a.p50_ms", 1),
        ("a.p99_ms", 2),
    ]


@pytest.mark.parametrize(
    ("target", "value", "reached"),
    [
        (Target(at_most=1.0), 1.0, True),
        (Target(at_most=1.0), 1.01, False),
        (Target(at_least=1500), 1500.0, True),
        (Target(at_least=1500), 1499.0, False),
    ],
)
def test_a_target_is_a_bound(target: Target, value: float, reached: bool) -> None:
    assert target.reached(value) is reached
    figures = [Figure("a_ms", "A", value), Figure("b_ms", "B", 7.0)]
    assert missed(figures, {"a_ms": target}) == ([] if reached else ["a_ms"])
    assert ("MISSED" in report(figures, {"a_ms": target})) is not reached


def test_the_targets_are_those_the_project_promises() -> None:
    promised = {"logic.p99_ms": 1.0, "paced.p99_ms": 5.0, "saturated.reviews_per-second": 1500}
    found = {key: target.at_most or target.at_least for key, target in load_targets().items()}
    assert promised.items() <= found.items(), TARGETS


def test_figures_are_kept_with_what_is_known_of_the_run(tmp_path: Path) -> None:
    record = Record({"cores": 2}, [Figure("a_ms", "A", 1.5)])
    path = save(tmp_path / "a" / "b.json", record)
    assert load(path) == record


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("a_ms", "ms"),
        ("a_per-claim", "per claim"),
        ("a_ms-per-claim", "ms per claim"),
        ("reviews_per-second", "/s"),
        ("writes_count", ""),
        ("share_percent", "%"),
    ],
)
def test_a_key_ends_with_its_unit(key: str, shown: str) -> None:
    assert unit(key) == shown


def entry(user: str, verb: str, resource: str, at: str, *, query: str = "", stage: str = "ResponseComplete") -> str:
    kind, _, sub = resource.partition("/")
    target = {"resource": kind, **({"subresource": sub} if sub else {})}
    logged = {
        "stage": stage,
        "user": {"username": user},
        "verb": verb,
        "objectRef": target,
        "requestURI": f"/apis/{kind}{query}",
        "stageTimestamp": f"2026-01-01T00:00:{at}Z",
    }
    return json.dumps(logged) + "\n"


def test_requests_are_those_of_one_program_in_the_span_and_a_rehearsal_is_no_write() -> None:
    lines = [
        entry("us", "create", "machines", "10.000000"),
        entry("us", "patch", "workspaces/status", "10.500000"),
        entry("us", "patch", "deployments", "11.000000", query="?dryRun=All"),
        entry("us", "update", "leases", "11.000000"),
        entry("us", "watch", "nodes", "11.000000"),
        entry("us", "create", "machines", "11.000000", stage="ResponseStarted"),
        entry("them", "create", "machines", "11.000000"),
        entry("us", "create", "machines", "12.000000"),
        entry("us", "create", "machines", "11.500000").rstrip("\n"),
    ]
    begin = 1767225610.0
    found = audit.count(lines, "us", Span(begin, begin + 2))
    assert found[Call("create", "machines")] == 1, "neither a half written line, nor what came later, nor others"
    assert audit.by_verb(found) == {"create": 1, "patch": 1, "dry-run": 1}, "Leases and watches depend on time alone"
    assert audit.writes(found) == 2


def test_a_metric_is_summed_over_the_samples_with_the_labels() -> None:
    text = 'a_total{x="1",y="1"} 2\na_total{x="1",y="2"} 3\na_total{x="2",y="1"} 5\n'
    assert [total(text, "a_total", {"x": "1"}), total(text, "a_total", {}), total(text, "b", {})] == [5, 10, 0]


def test_small_sizes_keep_at_least_one_of_everything() -> None:
    assert Sizes().divided(100_000) == Sizes(1, 1, 1, 1, 1)
    assert Plan(claims=90, limit=100, quiet_seconds=10).divided(10) == Plan(claims=9, limit=100, quiet_seconds=1)


def test_a_cloud_is_as_slow_as_its_scenario_divided_by_its_speed() -> None:
    assert Plan(1, 100).boot_seconds == 12, "8 s until a VM runs, 2 s each until node and GPU are there"
    assert Plan(1, 100, speed=4).boot_seconds == 3


def test_the_page_shows_what_was_recorded() -> None:
    assert page.render(page.recorded(), load_targets()) == page.PAGE.read_text(encoding="utf-8"), (
        "run the bench with --record"
    )


def test_every_target_of_a_recorded_part_was_measured() -> None:
    prefixes = {"controller": ("controller.",), "provisioner": ("claims90.", "claims200."), "idle": ("claims999.",)}
    for part, record in page.recorded().items():
        wanted = {key for key in load_targets() if key.startswith(prefixes.get(part, ("logic.", "paced.")))}
        missing = wanted - {figure.key for figure in record.figures}
        assert not missing, f"{part}: nothing says whether {missing} was reached"


def test_the_page_says_where_a_figure_comes_from_and_whether_it_is_good_enough() -> None:
    about = {"when": "2026-01-02T03:04:05+00:00", "python": "3.11.7", "cores": 2, "load-before": 0.5}
    figures = [Figure("a_s", "one", 31.0), Figure("b_count", "two", 1234.0)]
    lines = page.render({"idle": Record(about, figures)}, {"a_s": Target(at_most=30)}).splitlines()
    assert "| one | 31 s | at most 30: **missed** |" in lines
    assert "| two | 1,234  |  |" in lines
    assert f"## {PARTS['idle'].title}" in lines
    assert "`make bench BENCH=idle`, 2026-01-02, 2 cores, Python 3.11.7, load 0.5 before the run." in lines
