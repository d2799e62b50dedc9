"""Pod templates whose parts do not go together: told at once, instead of after the nodes were made."""

from typing import Any

import pytest

from controller.api.json import Json
from controller.api.reasons import Reason
from controller.planning.admission.template_pod_rules import RULES
from tests.unit.planning.admission.findings_kit import A100, find, refusals
from tests.unit.planning.manifests import changed, example

GPU = "nvidia.com/gpu"
SPEC = "inference.template.spec"
SERVER: Json = {"name": "server", "image": "registry.example.com/server:1", "resources": {"limits": {GPU: 1}}}
CACHE: Json = {"name": "cache", "emptyDir": {}}
MOUNT: Json = {"volumeMounts": [{"name": "cache", "mountPath": "/cache"}]}


def templated(**spec: Any) -> Json:
    """A pod template on a size with one GPU."""
    obj = example(inference={"template": {"spec": {"containers": [SERVER], **spec}}})
    return changed(obj, "resource.instanceType", A100)


def limited(limits: Json, requests: Json | None = None, **more: Any) -> Json:
    return {**SERVER, "resources": {"limits": limits, **({} if requests is None else {"requests": requests})}, **more}


START: Json = limited({GPU: 1}, name="start")
ACCEPTED: dict[str, dict[str, Any]] = {
    "a volume that is mounted": {"volumes": [CACHE], "containers": [{**SERVER, **MOUNT}]},
    "requests within limits": {"containers": [limited({GPU: 1, "cpu": "2"}, {GPU: "1", "cpu": "1500m"})]},
    "a request without a limit": {"containers": [limited({GPU: 1}, {"cpu": 4})]},
    "an init container, which gives its GPU back": {"initContainers": [START]},
    "a kind nobody counts": {"containers": [limited({"example.com/device": 9})]},
}
REFUSED: dict[str, tuple[dict[str, Any], list[tuple[Reason, str]]]] = {
    "a name no container can have": (
        {"containers": [{**SERVER, "name": "My_Server"}]},
        [(Reason.TEMPLATE_INVALID, f"{SPEC}.containers[0].name")],
    ),
    "one name for two": (
        {"initContainers": [{**SERVER, "resources": {}}]},
        [(Reason.NAME_DUPLICATE, f"{SPEC}.containers[0].name")],
    ),
    "one name for two volumes": (
        {"volumes": [CACHE, CACHE]},
        [(Reason.NAME_DUPLICATE, f"{SPEC}.volumes[1].name")],
    ),
    "a volume of nothing": ({"volumes": [{"name": "cache"}]}, [(Reason.TEMPLATE_INVALID, f"{SPEC}.volumes[0]")]),
    "a volume of two": (
        {"volumes": [{**CACHE, "configMap": {"name": "a"}}]},
        [(Reason.TEMPLATE_INVALID, f"{SPEC}.volumes[0]")],
    ),
    "a mount of nothing": (
        {"containers": [{**SERVER, **MOUNT}]},
        [(Reason.TEMPLATE_INVALID, f"{SPEC}.containers[0].volumeMounts[0].name")],
    ),
    "a request above the limit": (
        {"containers": [limited({"memory": "1Gi"}, {"memory": "1025Mi"})]},
        [(Reason.TEMPLATE_INVALID, f'{SPEC}.containers[0].resources.requests["memory"]')],
    ),
    "GPUs that are requested only": (
        {"containers": [limited({}, {GPU: 1})]},
        [(Reason.TEMPLATE_INVALID, f'{SPEC}.containers[0].resources.requests["{GPU}"]')],
    ),
    "more GPUs than a node has": (
        {"containers": [limited({GPU: 8})]},
        [(Reason.TEMPLATE_INVALID, f"{SPEC}.containers")],
    ),
    "more GPUs than a node has, together": (
        {"containers": [SERVER, {**SERVER, "name": "other"}]},
        [(Reason.TEMPLATE_INVALID, f"{SPEC}.containers")],
    ),
    "a sidecar that keeps the GPU": (
        {"initContainers": [{**START, "restartPolicy": "Always"}]},
        [(Reason.TEMPLATE_INVALID, f"{SPEC}.containers")],
    ),
    "GPUs of another maker": (
        {"containers": [limited({"amd.com/gpu": 1})]},
        [(Reason.TEMPLATE_INVALID, f"{SPEC}.containers")],
    ),
}


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(spec: dict[str, Any]) -> None:
    assert find(RULES, templated(**spec)) == ([], [])


@pytest.mark.parametrize(("spec", "expected"), REFUSED.values(), ids=REFUSED)
def test_refused(spec: dict[str, Any], expected: list[tuple[Reason, str]]) -> None:
    assert refusals(RULES, templated(**spec)) == expected


@pytest.mark.parametrize(("key", "value"), [("a b", "c"), ("a", "b c"), ("a/b/c", ""), ("a", "x" * 64), ("", "")])
def test_labels_have_the_form_of_labels(key: str, value: str) -> None:
    obj = changed(templated(), "inference.template.metadata", {"labels": {key: value, "app.example.com/name": "x"}})
    assert [reason for reason, _ in refusals(RULES, obj)] == [Reason.TEMPLATE_INVALID]


def test_the_pod_that_would_wait_for_ever_is_told_why() -> None:
    (problem,) = find(RULES, templated(containers=[limited({GPU: 8})]))[0]
    assert problem.text == (
        "inference.template asks for 8 nvidia.com/gpu in one pod: a node of Standard_NC24ads_A100_v4 has 1 GPU of that "
        "kind, so that the pod would wait for ever. Fix: ask for 1 or fewer; or use a size with as many GPUs "
        "(TemplateInvalid)"
    )


def test_what_cannot_be_read_or_is_not_known_is_judged_no_further() -> None:
    assert find(RULES, templated(containers=[{"name": 1}])) == ([], [])
    assert find(RULES, templated(containers=None)) == ([], [])
    unknown = changed(templated(containers=[limited({GPU: 8})]), "resource.instanceType", "Standard_N1s")
    assert find(RULES, unknown) == ([], [])
