"""Volumes that hold data: inside the namespace, kept, and read without unknown fields."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.json import Json
from controller.api.messages import TEXT_LIMIT, Problem
from controller.api.reasons import Reason
from controller.planning.admission.strict import VOLUME_SOURCE, pod_types
from controller.planning.admission.volumes import ALLOWED, FLEETING, GONE, READ_ONLY, Access, volume_findings
from tests.unit.planning.manifests import ANY_JSON

READ, WRITE = Access.READ, Access.WRITE
CLAIM: Json = {"persistentVolumeClaim": {"claimName": "data"}}
NFS: Json = {"nfs": {"server": "nfs.example.com", "path": "/data"}}
CSI: Json = {"csi": {"driver": "blob.csi.azure.com", "nodePublishSecretRef": {"name": "key"}}}
AZURE_FILE: Json = {"azureFile": {"shareName": "data", "secretName": "key"}}
MAP: Json = {"configMap": {"name": "data", "items": [{"key": "a", "path": "b"}]}}
BUNDLE: Json = {"projected": {"sources": [{"configMap": {"name": "a"}}, {"secret": {"name": "b"}}]}}
IMAGE: Json = {"image": {"reference": "r.io/data:1", "pullPolicy": "IfNotPresent"}}
OWN_CLAIM: Json = {"ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"]}}}}


def judge(volume: Any, access: Access = READ) -> tuple[list[Problem], list[str]]:
    found = list(volume_findings(volume, "v", access=access, namespace="team"))
    return [each for each in found if isinstance(each, Problem)], [each for each in found if isinstance(each, str)]


@pytest.mark.parametrize(
    ("volume", "access"),
    [
        (CLAIM, READ),
        (CLAIM, WRITE),
        ({"persistentVolumeClaim": {"claimName": "data", "readOnly": True}}, READ),
        (NFS, READ),
        (NFS, WRITE),
        (CSI, READ),
        (CSI, WRITE),
        (AZURE_FILE, READ),
        (AZURE_FILE, WRITE),
        (MAP, READ),
        ({"secret": {"secretName": "data"}}, READ),
        (BUNDLE, READ),
        (IMAGE, READ),
        ({"downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "metadata.name"}}]}}, READ),
        ({**CLAIM, "hostPath": None}, READ),
    ],
)
def test_mounted_without_a_word(volume: Json, access: Access) -> None:
    assert judge(volume, access) == ([], [])


@pytest.mark.parametrize(
    ("volume", "access", "warning"),
    [
        ({"emptyDir": {}}, READ, "v.emptyDir is empty in every new pod: there is nothing to read from it"),
        ({"emptyDir": {}}, WRITE, "v.emptyDir is empty in every new pod: the result is lost with the pod"),
        (OWN_CLAIM, WRITE, "v.ephemeral is empty in every new pod: the result is lost with the pod"),
    ],
)
def test_what_does_not_last_is_told(volume: Json, access: Access, warning: str) -> None:
    assert judge(volume, access) == ([], [warning])


def foreign(namespace: str) -> Json:
    origin = {"kind": "PersistentVolumeClaim", "name": "a", "namespace": namespace}
    return {"ephemeral": {"volumeClaimTemplate": {"spec": {"dataSourceRef": origin}}}}


REFUSED: list[tuple[Json, Access, Reason, str, str]] = [
    ({}, READ, Reason.VOLUME_INVALID, "v", "v names 0 volumes (none)"),
    ({**CLAIM, **NFS}, READ, Reason.VOLUME_INVALID, "v", "v names 2 volumes (persistentVolumeClaim, nfs)"),
    (
        {"persistentVolumClaim": {}},
        READ,
        Reason.VOLUME_INVALID,
        "v.persistentVolumClaim",
        "did you mean persistentVolumeClaim",
    ),
    ({"name": "data", **CLAIM}, READ, Reason.VOLUME_INVALID, "v.name", "v.name is no field of Kubernetes"),
    (
        {"persistentVolumeClaim": {"name": "x", "claimName": "x"}},
        READ,
        Reason.VOLUME_INVALID,
        "v.persistentVolumeClaim.name",
        "no field",
    ),
    ({"persistentVolumeClaim": {}}, READ, Reason.VOLUME_INVALID, "v.persistentVolumeClaim.claimName", "is missing"),
    ({"configMap": {}}, READ, Reason.VOLUME_INVALID, "v.configMap.name", "is missing"),
    ({"ephemeral": {}}, READ, Reason.VOLUME_INVALID, "v.ephemeral.volumeClaimTemplate", "is missing"),
    ({"emptyDir": {"sizeLimit": "a lot"}}, READ, Reason.VOLUME_INVALID, "v.emptyDir.sizeLimit", "a quantity such as"),
    (
        {"persistentVolumeClaim": {"claimName": "team-b/data"}},
        READ,
        Reason.NAME_INVALID,
        "v.persistentVolumeClaim.claimName",
        "a PersistentVolumeClaim is named without its namespace",
    ),
    (
        {"persistentVolumeClaim": {"claimName": "PVC_NAME_HERE"}},
        READ,
        Reason.NAME_INVALID,
        "v.persistentVolumeClaim.claimName",
        'replace the placeholder "PVC_NAME_HERE"',
    ),
    ({"secret": {"secretName": "A"}}, READ, Reason.NAME_INVALID, "v.secret.secretName", "no name of a Secret"),
    (
        {"csi": {"driver": "d", "nodePublishSecretRef": {"name": "A"}}},
        READ,
        Reason.NAME_INVALID,
        "v.csi.nodePublishSecretRef.name",
        "no name of a Secret",
    ),
    (
        {"projected": {"sources": [{}, {"secret": {"name": "A"}}]}},
        READ,
        Reason.NAME_INVALID,
        "v.projected.sources[1].secret.name",
        "no name of a Secret",
    ),
    ({"image": {"reference": "r.io/Data"}}, READ, Reason.IMAGE_INVALID, "v.image.reference", "no image reference"),
    ({"hostPath": {"path": "/"}}, READ, Reason.VOLUME_NOT_ALLOWED, "v.hostPath", "belong to every tenant"),
    (
        {"azureDisk": {"diskName": "a", "diskURI": "b"}},
        READ,
        Reason.VOLUME_NOT_ALLOWED,
        "v.azureDisk",
        "nothing ties to this namespace",
    ),
    (
        {"gitRepo": {"repository": "https://example.com/a"}},
        READ,
        Reason.VOLUME_NOT_ALLOWED,
        "v.gitRepo",
        "Kubernetes no longer mounts such volumes",
    ),
    (
        {"projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
        READ,
        Reason.VOLUME_NOT_ALLOWED,
        "v.projected.sources[0].serviceAccountToken",
        "nothing that reads data needs an identity",
    ),
    (
        foreign("other"),
        READ,
        Reason.VOLUME_NOT_ALLOWED,
        "v.ephemeral.volumeClaimTemplate.spec.dataSourceRef.namespace",
        "data of other namespaces are not mounted",
    ),
    (MAP, WRITE, Reason.VOLUME_NOT_ALLOWED, "v.configMap", "cannot be written to"),
    (BUNDLE, WRITE, Reason.VOLUME_NOT_ALLOWED, "v.projected", "cannot be written to"),
    (
        {"persistentVolumeClaim": {"claimName": "data", "readOnly": True}},
        WRITE,
        Reason.VOLUME_NOT_ALLOWED,
        "v.persistentVolumeClaim.readOnly",
        "remove v.persistentVolumeClaim.readOnly",
    ),
]


@pytest.mark.parametrize(("volume", "access", "reason", "field", "says"), REFUSED, ids=[row[4] for row in REFUSED])
def test_refused(volume: Json, access: Access, reason: Reason, field: str, says: str) -> None:
    ((problem,), _) = judge(volume, access)
    assert (problem.reason, problem.field) == (reason, field)
    assert says in problem.text
    assert problem.fixes, problem.text


def test_a_claim_may_be_filled_from_the_own_namespace() -> None:
    assert judge(foreign("team"))[0] == []


def test_every_source_kubernetes_knows_is_decided_on() -> None:
    known = set(pod_types()[VOLUME_SOURCE])
    assert set(ALLOWED) <= known
    assert known >= GONE
    assert not GONE & set(ALLOWED)
    assert (READ_ONLY | FLEETING).issubset(ALLOWED)


@pytest.mark.parametrize("source", sorted(set(pod_types()[VOLUME_SOURCE]) - set(ALLOWED)))
def test_what_is_not_allowed_is_never_mounted(source: str) -> None:
    problems, _ = judge({source: {}})
    assert problems, f"{source} was accepted"


@given(
    ANY_JSON | st.dictionaries(st.sampled_from([*ALLOWED, "hostPath"]), ANY_JSON, max_size=2), st.sampled_from(Access)
)
def test_any_volume_gets_an_answer_people_can_read(volume: Any, access: Access) -> None:
    if not isinstance(volume, dict):
        volume = {"csi": volume}
    for problem in judge(volume, access)[0]:
        assert len(problem.text) <= TEXT_LIMIT
        assert problem.text.isprintable(), repr(problem.text)
