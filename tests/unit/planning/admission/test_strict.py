"""Pod templates and volumes are read exactly."""

from typing import Any

import pytest
from hypothesis import given

from controller.api.json import Json
from controller.api.messages import TEXT_LIMIT
from controller.api.reasons import Reason
from controller.planning.admission.strict import (
    MOST_MISFITS,
    MOST_VALUES,
    POD_TEMPLATE,
    VOLUME_SOURCE,
    misfits,
    pod_types,
)
from tests.unit.planning.manifests import ANY_JSON, changed

POD: Json = {
    "metadata": {"labels": {"app": "a"}, "annotations": {}, "creationTimestamp": None},
    "spec": {
        "containers": [
            {
                "name": "server",
                "image": "r.io/server:1",
                "command": ["serve"],
                "env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}],
                "ports": [{"containerPort": 80}],
                "resources": {"limits": {"nvidia.com/gpu": 1, "memory": "16Gi", "cpu": 1.5}},
                "readinessProbe": {"httpGet": {"port": "http", "path": "/"}, "periodSeconds": 5},
                "livenessProbe": {"httpGet": {"port": 80}, "exec": None},
                "lifecycle": {"preStop": {"exec": {"command": ["sleep", "1"]}}},
                "volumeMounts": [{"name": "data", "mountPath": "/data", "readOnly": True}],
            }
        ],
        "nodeSelector": {"pool": "a"},
        "tolerations": [{"operator": "Exists"}],
        "terminationGracePeriodSeconds": 30,
        "volumes": [{"name": "data", "emptyDir": {"sizeLimit": "1Gi"}}],
    },
}
CONTAINER = "t.spec.containers[0]"
MISFITS: list[tuple[str, Any, str]] = [
    ("spec.containres", [], ("t.spec.containres is no field of Kubernetes: 43 fields are known there. "
     "Fix: did you mean containers; or remove it (TemplateInvalid)")),
    ("spec.nothingLikeIt", 1, ("t.spec.nothingLikeIt is no field of Kubernetes: 43 fields are known there. "
     "Fix: remove it (TemplateInvalid)")),
    ("spec.terminationGracePeriodSeconds", "30", ('t.spec.terminationGracePeriodSeconds is "30": '
     "a whole number belongs there. Fix: write a whole number (TemplateInvalid)")),
    ("spec.terminationGracePeriodSeconds", 1.5, "a whole number belongs there"),
    ("spec.terminationGracePeriodSeconds", 2**63, "t.spec.terminationGracePeriodSeconds is out of range"),
    ("spec.terminationGracePeriodSeconds", True, "t.spec.terminationGracePeriodSeconds is true"),
    ("spec.hostNetwork", "yes", "true or false belongs there"),
    ("spec.nodeSelector", ["a"], "t.spec.nodeSelector is a list: an object belongs there"),
    ("spec.nodeSelector", {"pool": 1}, 't.spec.nodeSelector["pool"] is 1: a string belongs there'),
    ("spec.tolerations", {}, "t.spec.tolerations is an object: a list belongs there"),
    ("spec.containers", [None], "t.spec.containers[0] is null: an object belongs there"),
    ("spec.containers", [{"image": "a"}], f"{CONTAINER}.name is missing: Kubernetes requires it"),
    ("spec.containers", None, "t.spec.containers is missing: Kubernetes requires it"),
    ("spec.containers", [{"name": "a", "env": [{"name": "b", "value": 1}]}], f"{CONTAINER}.env[0].value is 1"),
    ("spec.containers", [{"name": "a", "resources": {"limits": {"memory": "16 GB"}}}],
     f'{CONTAINER}.resources.limits["memory"] is "16 GB": a quantity such as 16Gi or 500m belongs there'),
    ("spec.containers", [{"name": "a", "ports": [{"containerPort": "80"}]}],
     f'{CONTAINER}.ports[0].containerPort is "80"'),
    ("spec.containers", [{"name": "a", "livenessProbe": {"httpGet": {"port": 1.5}}}],
     "a whole number or a string belongs there"),
    ("spec.containers", [{"name": "a", "Image": "b"}], "did you mean image"),
    ("metadata.labels", "a", 't.metadata.labels is "a": an object belongs there'),
    ("metadata.creationTimestamp", 1, "a time as a string belongs there"),
]  # fmt: skip


def told(value: Any, type_name: str = POD_TEMPLATE) -> list[str]:
    return [problem.text for problem in misfits(value, type_name, "t", Reason.TEMPLATE_INVALID)]


def test_a_pod_as_people_write_it_reads_well() -> None:
    assert told(POD) == []


@pytest.mark.parametrize(("path", "value", "text"), MISFITS, ids=[f"{row[0]} {row[2][-30:]}" for row in MISFITS])
def test_one_wrong_field_is_told_by_its_path(path: str, value: Any, text: str) -> None:
    found = told(changed(POD, path, value))
    assert len(found) == 1, found
    assert text in found[0]


def test_the_problems_stand_in_the_order_of_the_document() -> None:
    wrong = {"spec": {"containers": [{"nme": 1}, {"name": 2}], "hostPID": 3}}
    assert [text.partition(" ")[0] for text in told(wrong)] == [
        "t.spec.containers[0].nme",
        "t.spec.containers[0].name",
        "t.spec.containers[1].name",
        "t.spec.hostPID",
    ]


def test_ten_problems_are_enough() -> None:
    assert len(told({f"x{number}": 1 for number in range(1000)})) == MOST_MISFITS


@pytest.mark.parametrize(
    "huge",
    [
        {"spec": {"containers": [{"name": "a", "args": ["x"] * MOST_VALUES}]}},
        {"spec": {"containers": [], "nodeSelector": {f"k{number}": "v" for number in range(MOST_VALUES)}}},
        {"spec": {"containers": [{"name": "a"}] * MOST_VALUES}},
        {f"k{number}": 1 for number in range(MOST_VALUES + 1)},
    ],
)
def test_a_huge_document_is_refused_unread(huge: Json) -> None:
    (text,) = told(huge)
    assert text.startswith(f"t has more than {MOST_VALUES} values: that is more than any pod needs")


def test_nothing_is_read_of_what_is_under_an_unknown_field() -> None:
    deep: Json = {}
    for _ in range(100_000):
        deep = {"a": deep}
    assert len(told({"spec": {"containers": [{"name": "a"}], "a": deep}})) == 1


def test_every_type_a_field_names_is_known() -> None:
    kinds = {kind.name for fields in pod_types().values() for kind in fields.values()}
    assert all(name in pod_types() or name[0].islower() for name in kinds), kinds


def test_the_types_have_no_loops_so_depth_is_bounded() -> None:
    def depth(name: str, above: tuple[str, ...] = ()) -> int:
        assert name not in above, f"{name} holds itself"
        inner = {kind.name for kind in pod_types().get(name, {}).values()}
        return 1 + max((depth(each, (*above, name)) for each in inner), default=0)

    assert depth(POD_TEMPLATE) < 20


@given(ANY_JSON)
def test_any_json_gets_an_answer_people_can_read(value: Any) -> None:
    for type_name in (POD_TEMPLATE, VOLUME_SOURCE):
        for problem in misfits(value, type_name, "t", Reason.TEMPLATE_INVALID):
            assert len(problem.text) <= TEXT_LIMIT
            assert problem.text.isprintable(), repr(problem.text)


@given(ANY_JSON)
def test_any_json_in_place_of_a_container_gets_an_answer(value: Any) -> None:
    told({"spec": {"containers": [value, {"name": "a", "env": value, "resources": {"limits": value}}]}})
