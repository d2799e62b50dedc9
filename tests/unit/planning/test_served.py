from dataclasses import replace

import pytest

from controller.api.json import Json
from controller.api.workspace import parse_workspace
from controller.planning.observed import Observed, ref_of
from controller.planning.plan import make_plan
from controller.planning.served import served_by
from tests.unit.planning.builders import V100
from tests.unit.planning.rendering.kit import A100, manifest, served, target_of, tuned

OPENAI = "OpenAI API under /v1; only Transformers images with the weights inside have /chat"
PRIVATE = {
    "name": "phi-3-mini-4k-instruct",
    "accessMode": "private",
    "presetOptions": {"image": "registry.example.com/phi:1"},
}
WISH = {"kaito.sh/runtime": "transformers"}


@pytest.mark.parametrize(
    ("obj", "said"),
    [
        (manifest(V100), "served by transformers (CUDA capability is 7.0, vLLM is for 8.0), /chat"),
        (manifest(A100), f"served by vllm (CUDA capability 8.0 is 8.0 or newer), {OPENAI}"),
        (
            manifest(A100, annotations=WISH, inference={"preset": {"name": "gpt-oss-20b"}}),
            f"served by transformers (asked for by annotation), {OPENAI}",
        ),
        (
            manifest(V100, inference={"preset": PRIVATE}),
            "served by transformers (CUDA capability is 7.0, vLLM is for 8.0), /chat",
        ),
        (tuned(), ""),
    ],
)
def test_the_server_the_reason_of_its_choice_and_its_paths_are_said(obj: Json, said: str) -> None:
    found = served_by(parse_workspace(obj), target_of(obj).work)
    assert found == said
    assert len(found) < 300, "one line for people"


def test_it_is_said_of_the_workload_that_is_there_only_once_that_is_the_one_wanted() -> None:
    obj = served("phi-3-mini-4k-instruct")
    owner, target = parse_workspace(obj), target_of(obj)
    wanted = make_plan(owner, target, Observed()).workload
    assert make_plan(owner, target, Observed()).served == ""
    as_wanted = Observed(objects={ref_of(wanted): wanted})
    assert make_plan(owner, target, as_wanted).served.startswith("served by vllm")
    other = target_of(manifest(A100, annotations=WISH))
    assert make_plan(owner, other, as_wanted).served == "", "the pods that run are still those of before"
    theirs = {**wanted, "metadata": {**wanted["metadata"], "annotations": {}}}
    assert make_plan(owner, target, replace(as_wanted, objects={ref_of(theirs): theirs})).served == ""
