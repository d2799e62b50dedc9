"""What rules find, in a form tests compare."""

from collections.abc import Iterable
from typing import Any

from controller.api.json import Json
from controller.api.messages import Problem
from controller.api.reasons import Reason
from controller.api.workspace import parse_workspace
from controller.planning.admission.findings import Rule, Subject
from controller.planning.site import Site
from tests.unit.planning.manifests import changed, example

A100 = "Standard_NC24ads_A100_v4"
V100 = "Standard_NC6s_v3"
T4 = "Standard_NC4as_T4_v3"
IMAGE = "registry.example.com/team/data:1"

TUNING: Json = {
    "preset": {"name": "phi-3-mini-128k-instruct"},
    "method": "qlora",
    "input": {"urls": ["https://example.com/data.parquet"]},
    "output": {"image": "registry.example.com/team/adapter:1", "imagePushSecret": "push-key"},
}


def tuned(**changes: Any) -> Json:
    """A training run; `input__image="x"` changes a field of `tuning`, None removes it."""
    obj = example(inference=None, tuning=TUNING)
    for path, value in changes.items():
        obj = changed(obj, f"tuning.{path.replace('__', '.')}", value)
    return obj


def adapted(*adapters: Any, preset: str = "phi-3-mini-128k-instruct", size: str = V100, **annotations: str) -> Json:
    """A preset served with adapters; annotations are named without their domain."""
    return example(
        resource__instanceType=size,
        inference={"preset": {"name": preset}, "adapters": list(adapters)},
        metadata__annotations={f"kaito.sh/{key}": value for key, value in annotations.items()},
    )


def find(rules: Iterable[Rule], obj: Json, site: Site | None = None) -> tuple[list[Problem], list[str]]:
    """The problems and warnings of rules."""
    subject = Subject(parse_workspace(obj), obj, site or Site())
    found = [finding for rule in rules for finding in rule.check(subject)]
    return [each for each in found if isinstance(each, Problem)], [each for each in found if isinstance(each, str)]


def refusals(rules: Iterable[Rule], obj: Json) -> list[tuple[Reason, str]]:
    """Reason and field of each problem."""
    return [(problem.reason, problem.field) for problem in find(rules, obj)[0]]
