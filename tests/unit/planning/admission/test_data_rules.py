"""Every place data come from or go to is judged alike, and named by its path."""

from typing import Any

import pytest

from controller.api.json import Json
from controller.api.reasons import Reason
from controller.planning.admission.data_rules import RULES
from tests.unit.planning.admission.findings_kit import IMAGE, adapted, find, refusals, tuned
from tests.unit.planning.manifests import changed, example


def source(**fields: Any) -> list[tuple[str, Json]]:
    """The same source as that of a second adapter and as input of a training run."""
    first = {"source": {"name": "a", "image": IMAGE}}
    return [
        ("inference.adapters[1].source", adapted(first, {"source": {"name": "b", **fields}})),
        ("tuning.input", tuned(input=fields)),
    ]


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"image": "r.io/Team/a"}, Reason.IMAGE_INVALID, "image"),
        ({"image": "IMAGE_NAME_HERE"}, Reason.IMAGE_INVALID, "image"),
        ({"volumeSource": {}}, Reason.VOLUME_INVALID, "volumeSource"),
        ({"volumeSource": {"hostPath": {"path": "/"}}}, Reason.VOLUME_NOT_ALLOWED, "volumeSource.hostPath"),
        ({"image": IMAGE, "imagePullSecrets": ["a", "B"]}, Reason.NAME_INVALID, "imagePullSecrets[1]"),
    ],
)
def test_sources(fields: Json, reason: Reason, field: str) -> None:
    for place, obj in source(**fields):
        assert refusals(RULES, obj) == [(reason, f"{place}.{field}")]


@pytest.mark.parametrize(
    ("output", "reason", "field"),
    [
        ({"image": "r.io/Team/a"}, Reason.IMAGE_INVALID, "image"),
        ({"image": "a", "imagePushSecret": "other/key"}, Reason.NAME_INVALID, "imagePushSecret"),
        ({"volumeSource": {"configMap": {"name": "a"}}}, Reason.VOLUME_NOT_ALLOWED, "volumeSource.configMap"),
    ],
)
def test_outputs(output: Json, reason: Reason, field: str) -> None:
    assert refusals(RULES, tuned(output=output)) == [(reason, f"tuning.output.{field}")]


def test_each_address_is_judged() -> None:
    urls = ["https://example.com/a", "ftp://example.com/b", "https://10.0.0.1/c"]
    assert refusals(RULES, tuned(input={"urls": urls})) == [
        (Reason.URL_INVALID, "tuning.input.urls[1]"),
        (Reason.URL_NOT_ALLOWED, "tuning.input.urls[2]"),
    ]


def test_addresses_of_adapters_are_refused_elsewhere_whatever_they_are() -> None:
    obj = adapted({"source": {"name": "a", "urls": ["https://10.0.0.1/c"]}})
    assert refusals(RULES, obj) == []


def test_secrets_nobody_uses_are_told() -> None:
    volume = {"persistentVolumeClaim": {"claimName": "data"}}
    obj = tuned(input={"volumeSource": volume, "imagePullSecrets": ["key"]})
    assert find(RULES, obj) == ([], ["tuning.input.imagePullSecrets is not used: tuning.input.image is not set"])


def test_the_namespace_is_the_workspaces_own() -> None:
    origin = {"kind": "PersistentVolumeClaim", "name": "a", "namespace": "team"}
    volume = {"ephemeral": {"volumeClaimTemplate": {"spec": {"dataSourceRef": origin}}}}
    obj = tuned(input={"volumeSource": volume})
    assert [reason for reason, _ in refusals(RULES, obj)] == [Reason.VOLUME_NOT_ALLOWED]
    assert refusals(RULES, changed(obj, "metadata.namespace", "team")) == []


def test_nothing_is_said_where_there_are_no_data() -> None:
    assert find(RULES, example()) == ([], [])
