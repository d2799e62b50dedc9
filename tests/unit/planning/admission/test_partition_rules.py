"""Shares of a node's GPUs."""

from typing import Any

import pytest

from controller.api.json import Json
from controller.api.reasons import Reason
from controller.catalog import load_catalog
from controller.catalog.mig import MIG_PROFILES
from controller.planning.admission.validation import validate
from controller.planning.site import Site
from tests.unit.planning.manifests import changed, example

EXISTING = Site(load_catalog(), auto_provision=False)
MADE = Site(load_catalog())
PHI = example(resource__instanceType=None)


def sharing(**partition: Any) -> Json:
    return changed(PHI, "resource.partition", partition)


@pytest.mark.parametrize(
    "partition", [{"mode": "mig", "profile": "1g.20gb"}, {"mode": "accelerator", "count": 1}], ids=str
)
def test_accepted_on_existing_nodes(partition: Json) -> None:
    assert validate(sharing(**partition), EXISTING).problems == ()


@pytest.mark.parametrize(
    ("partition", "field", "says"),
    [
        ({"mode": "mps"}, "mode", "it is 1 of 2 words: mig, accelerator"),
        ({"mode": "mig"}, "profile", "resource.partition.profile is missing"),
        ({"mode": "mig", "profile": "9g.1gb"}, "profile", "profiles are known"),
        ({"mode": "mig", "profile": "1G.10GB"}, "profile", "Fix: use 1g.10gb"),
        ({"mode": "mig", "profile": "1g.10gb", "count": 1}, "count", "with mode mig"),
        ({"mode": "accelerator"}, "count", "resource.partition.count is missing"),
        ({"mode": "accelerator", "count": 0}, "count", "at least 1 GPU is used"),
        ({"mode": "accelerator", "count": 1, "profile": "1g.10gb"}, "profile", "whole GPUs have no profile"),
    ],
)
def test_refused(partition: Json, field: str, says: str) -> None:
    problems = validate(sharing(**partition), EXISTING).problems
    told = {problem.field: problem for problem in problems}
    assert says in told[f"resource.partition.{field}"].text
    assert told[f"resource.partition.{field}"].reason is Reason.PARTITION_INVALID


def test_nodes_that_are_made_are_not_shared_out() -> None:
    obj = changed(example(), "resource.partition", {"mode": "accelerator", "count": 1})
    (problem,) = validate(obj, MADE).problems
    assert (problem.reason, problem.field) == (Reason.PARTITION_INVALID, "resource.partition")
    assert "all their GPUs are" in problem.why


def test_tuning_uses_a_whole_node() -> None:
    block = {
        "preset": {"name": "phi-3-mini-4k-instruct"},
        "method": "qlora",
        "input": {"urls": ["https://example.com/data.parquet"]},
        "output": {"image": "registry.example.com/out/adapter:1", "imagePushSecret": "push-secret"},
    }
    obj = example(inference=None, tuning=block, resource__partition={"mode": "accelerator", "count": 1})
    (problem,) = validate(obj, EXISTING).problems
    assert problem.what == "resource.partition is set beside tuning"


@pytest.mark.parametrize("profile", MIG_PROFILES)
def test_every_known_profile_can_be_asked_for(profile: str) -> None:
    reasons = {problem.reason for problem in validate(sharing(mode="mig", profile=profile), EXISTING).problems}
    assert Reason.PARTITION_INVALID not in reasons


def test_the_sum_is_made_for_the_slice() -> None:
    small = changed(sharing(mode="mig", profile="1g.5gb"), "resource.instanceType", "Standard_NC24ads_A100_v4")
    (problem,) = validate(small, EXISTING).problems
    assert problem.text.startswith(
        "resource.partition leaves a slice 1g.5gb of NVIDIA A100 80GB PCIe, "
        "which is too small for phi-3-mini-4k-instruct: it needs 10.31 GiB"
    )
