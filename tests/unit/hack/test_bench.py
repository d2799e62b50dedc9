"""The bench measures what it says: right answers, honest quantiles, bounds that can be missed."""

import json
from pathlib import Path

import pytest

from controller.planning.site import Site
from hack.bench.figures import TARGETS, Figure, Target, latencies, load_targets, missed, quantile, report, save
from hack.bench.mix import CONFIG_DATA, MUTATE, REQUESTS, VALIDATE, Question, mix
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
    save(tmp_path / "a" / "b.json", [Figure("a_ms", "A", 1.5)], {"cores": 2})
    assert json.loads((tmp_path / "a" / "b.json").read_text()) == {"cores": 2, "figures": {"a_ms": 1.5}}
