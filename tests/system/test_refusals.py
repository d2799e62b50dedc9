"""What cannot run is refused at `kubectl apply`: what users read, word for word, and nothing is stored."""

import copy
import json
import re
from collections.abc import Callable

import pytest

from controller.api.json import Json
from controller.api.reasons import Reason
from controller.api.resources import WORKSPACES
from tests.system import golden
from tests.system.harness import System, workspace

FINDING_CHARACTERS = 600
FOUR_PARTS = re.compile(r"^(?P<what>[\w.\[\]]+: [^:]+): (?P<why>.+)\. Fix: (?P<fix>.+) \((?P<reason>[A-Za-z]+)\)$")
MOST_FIXES = 3

TUNING: Json = {
    "preset": {"name": "phi-3-mini-4k-instruct"},
    "method": "qlora",
    "input": {"urls": ["https://example.com/data.parquet"]},
    "output": {"image": "registry.example.com/adapter:1", "imagePushSecret": "registry"},
}


def preset(name: str) -> Callable[[Json], None]:
    return lambda manifest: manifest["inference"]["preset"].update(name=name)


def resource(**fields: object) -> Callable[[Json], None]:
    return lambda manifest: manifest["resource"].update(fields)


def tuning_too(manifest: Json) -> None:
    manifest["tuning"] = TUNING


def neither(manifest: Json) -> None:
    del manifest["inference"]


def everything_at_once(manifest: Json) -> None:
    for mistake in (preset("phi-9"), resource(instanceType="Standard_NC4as_T4_v2"), resource(count=0)):
        mistake(manifest)


def inference_is_text(manifest: Json) -> None:
    manifest["inference"] = "phi-3-mini-4k-instruct"


CASES: dict[str, tuple[Callable[[Json], None], set[Reason]]] = {
    "unknown_preset": (preset("phi-3-mini-4k-instrct"), {Reason.PRESET_UNKNOWN}),
    "size_without_gpu": (resource(instanceType="Standard_D4s_v5"), {Reason.INSTANCE_TYPE_HAS_NO_GPU}),
    "misspelt_size": (resource(instanceType="Standard_NC4as_T4v3"), {Reason.INSTANCE_TYPE_UNKNOWN}),
    "gpu_too_small": (resource(instanceType="Standard_NV6ads_A10_v5"), {Reason.INSUFFICIENT_GPU_MEMORY}),
    "inference_and_tuning": (tuning_too, {Reason.EXACTLY_ONE_OF}),
    "neither_inference_nor_tuning": (neither, {Reason.EXACTLY_ONE_OF}),
    "count_is_text": (resource(count="two"), {Reason.FIELD_TYPE_INVALID}),
    "inference_is_text": (inference_is_text, {Reason.FIELD_TYPE_INVALID}),
    "count_zero": (resource(count=0), {Reason.COUNT_INVALID}),
    "count_negative": (resource(count=-1), {Reason.COUNT_INVALID}),
    "several_mistakes": (
        everything_at_once,
        {Reason.PRESET_UNKNOWN, Reason.INSTANCE_TYPE_UNKNOWN, Reason.COUNT_INVALID},
    ),
}
"""The mistake, and the reason each finding must end with."""


def findings(answer: str) -> list[str]:
    """The findings in kubectl's answer: one after the headline, or one per starred line."""
    _, _, text = answer.partition(" is invalid: ")
    starred = [line.removeprefix("* ") for line in text.strip().splitlines()]
    return [line for line in starred if line]


@pytest.mark.parametrize("case", CASES)
async def test_a_manifest_that_cannot_run_is_refused(system: System, namespace: str, case: str) -> None:
    mistake, reasons = CASES[case]
    manifest = copy.deepcopy(workspace(namespace, "refused"))
    mistake(manifest)

    code, answer = await system.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))

    assert code != 0, f"{case} was accepted: {answer}"
    golden.compare(f"refusals/{case}.txt", answer)
    found = [FOUR_PARTS.match(finding) for finding in findings(answer)]
    assert found, f"no finding in {answer!r}"
    assert all(found), f"a finding needs what, why, fix, reason in this order: {findings(answer)}"
    assert {match["reason"] for match in found if match} == set(reasons)
    for match in filter(None, found):
        counted = re.search(r"\d", match["why"]) or match["reason"] == Reason.FIELD_TYPE_INVALID
        assert counted, f"the cause needs its figures: {match[0]}"
        assert len(match[0]) < FINDING_CHARACTERS, f"{len(match[0])} characters are too many: {match[0]}"
        assert len(match["fix"].split("; or ")) <= MOST_FIXES, f"too many ways out: {match['fix']}"
    assert await system.find(WORKSPACES, namespace, "refused") is None, "a refused Workspace was stored"


@pytest.mark.parametrize("case", CASES)
async def test_a_change_to_something_that_cannot_run_is_refused(system: System, namespace: str, case: str) -> None:
    before = workspace(namespace, "refused")
    manifest = copy.deepcopy(before)
    CASES[case][0](manifest)
    await system.apply(before)

    code, answer = await system.kubectl("replace", "-f", "-", stdin=json.dumps(manifest))

    assert code != 0, f"{case} was accepted as a change: {answer}"
    stored = await system.find(WORKSPACES, namespace, "refused")
    assert stored is not None
    changed = {key: stored.get(key) for key in ("resource", "inference", "tuning")}
    assert changed == {
        "resource": before["resource"],
        "inference": before["inference"],
        "tuning": None,
    }, "a refused change was stored"
