"""Pod templates of the user: what is refused in them, and what is left to the cluster."""

from typing import Any

import pytest

from controller.api.json import Json
from controller.api.reasons import Reason
from controller.planning.admission.template_rules import RULES
from tests.unit.planning.admission.findings_kit import find, refusals
from tests.unit.planning.manifests import changed, example

GPU: Json = {"limits": {"nvidia.com/gpu": 1}}
SERVER: Json = {"name": "server", "image": "registry.example.com/server:1", "resources": GPU}
TEMPLATE = "inference.template"


def templated(**changes: Any) -> Json:
    """A pod template; `spec__nodeName="a"` changes a field of it."""
    obj = example(inference={"template": {"spec": {"containers": [SERVER]}}})
    for path, value in changes.items():
        obj = changed(obj, f"{TEMPLATE}.{path.replace('__', '.')}", value)
    return obj


ACCEPTED: list[tuple[str, dict[str, Any]]] = [
    ("one container", {}),
    ("an account of its own", {"spec__serviceAccountName": "server"}),
    ("a volume the cluster's policy decides on", {"spec__volumes": [{"name": "a", "hostPath": {"path": "/data"}}]}),
    ("an init container", {"spec__initContainers": [{"name": "a", "image": "b"}]}),
    ("labels", {"metadata": {"labels": {"app": "a", "example.com/kaito.sh": "b", "notkaito.sh/a": "c"}}}),
    ("restarts as they are anyway", {"spec__restartPolicy": "Always"}),
    ("a slice of a GPU", {"spec__containers": [{**SERVER, "resources": {"limits": {"nvidia.com/mig-1g.5gb": 1}}}]}),
    ("GPUs by claim", {"spec__containers": [{"name": "a", "image": "b"}],
                       "spec__resourceClaims": [{"name": "gpu", "resourceClaimName": "gpu"}]}),
]  # fmt: skip
REFUSED: list[tuple[str, dict[str, Any], list[tuple[Reason, str]]]] = [
    ("a misspelt field", {"spec__nodeSelektor": {}}, [(Reason.TEMPLATE_INVALID, f"{TEMPLATE}.spec.nodeSelektor")]),
    ("no containers", {"spec__containers": []}, [(Reason.FIELD_REQUIRED, f"{TEMPLATE}.spec.containers")]),
    ("no pod", {"spec": None}, [(Reason.FIELD_REQUIRED, f"{TEMPLATE}.spec.containers")]),
    ("no image", {"spec__containers": [{"name": "a", "resources": GPU}]},
     [(Reason.FIELD_REQUIRED, f"{TEMPLATE}.spec.containers[0].image")]),
    ("a placeholder for an image", {"spec__containers": [{**SERVER, "image": "REPO_HERE.azurecr.io/a:1"}]},
     [(Reason.IMAGE_INVALID, f"{TEMPLATE}.spec.containers[0].image")]),
    ("an init container without image", {"spec__initContainers": [{"name": "a"}]},
     [(Reason.FIELD_REQUIRED, f"{TEMPLATE}.spec.initContainers[0].image")]),
    ("a node", {"spec__nodeName": "node-1"}, [(Reason.FIELD_NOT_ALLOWED, f"{TEMPLATE}.spec.nodeName")]),
    ("an end", {"spec__activeDeadlineSeconds": 5},
     [(Reason.FIELD_NOT_ALLOWED, f"{TEMPLATE}.spec.activeDeadlineSeconds")]),
    ("a container for debugging", {"spec__ephemeralContainers": [{"name": "a"}]},
     [(Reason.FIELD_NOT_ALLOWED, f"{TEMPLATE}.spec.ephemeralContainers")]),
    ("no restarts", {"spec__restartPolicy": "Never"}, [(Reason.FIELD_NOT_ALLOWED, f"{TEMPLATE}.spec.restartPolicy")]),
    ("an ownership label", {"metadata": {"labels": {"kaito.sh/workspace": "other"}}},
     [(Reason.LABEL_RESERVED, f'{TEMPLATE}.metadata.labels["kaito.sh/workspace"]')]),
    ("an ownership label of a part", {"metadata": {"labels": {"inferenceset.kaito.sh/created-by": "other"}}},
     [(Reason.LABEL_RESERVED, f'{TEMPLATE}.metadata.labels["inferenceset.kaito.sh/created-by"]')]),
]  # fmt: skip


@pytest.mark.parametrize(("title", "changes"), ACCEPTED, ids=[row[0] for row in ACCEPTED])
def test_accepted(title: str, changes: dict[str, Any]) -> None:
    assert find(RULES, templated(**changes)) == ([], []), title


@pytest.mark.parametrize(("title", "changes", "expected"), REFUSED, ids=[row[0] for row in REFUSED])
def test_refused(title: str, changes: dict[str, Any], expected: list[tuple[Reason, str]]) -> None:
    assert refusals(RULES, templated(**changes)) == expected, title


def test_unused_gpus_are_told() -> None:
    plain = {"name": "server", "image": "registry.example.com/server:1"}
    assert find(RULES, templated(spec__containers=[plain])) == (
        [],
        ["no container of inference.template has a limit for nvidia.com/gpu: the GPUs of its nodes stay unused"],
    )


def test_a_template_that_cannot_be_read_is_judged_no_further() -> None:
    problems, warnings = find(RULES, templated(spec__containers="server", spec__nodeName="a"))
    assert [problem.text for problem in problems] == [
        'inference.template.spec.containers is "server": a list belongs there. Fix: write a list (TemplateInvalid)'
    ]
    assert warnings == []


def test_nothing_is_said_where_there_is_no_template() -> None:
    assert find(RULES, example()) == ([], [])
