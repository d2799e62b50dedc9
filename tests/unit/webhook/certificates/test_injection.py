"""The trust bundle: patched where it differs, and nothing else."""

import base64
from typing import Any

import pytest
from hypothesis import given

from controller.api.json import Json
from tests.unit.planning.manifests import ANY_JSON
from webhook.certificates.injection import bundle_patch, trusts

BUNDLE = b"-----A-----\n-----B-----\n"
SHOWN = base64.b64encode(BUNDLE).decode()


def configuration(*bundles: str | None) -> Json:
    entries = [
        {"name": f"webhook-{index}", "clientConfig": {"url": "u", **({} if bundle is None else {"caBundle": bundle})}}
        for index, bundle in enumerate(bundles)
    ]
    return {"metadata": {"name": "kaito-webhook"}, "webhooks": entries}


def test_an_entry_gets_the_bundle_guarded_by_its_name_and_by_what_it_showed() -> None:
    assert bundle_patch(configuration(SHOWN, None, "b2xk"), BUNDLE) == [
        {"op": "test", "path": "/webhooks/1/name", "value": "webhook-1"},
        {"op": "add", "path": "/webhooks/1/clientConfig/caBundle", "value": SHOWN},
        {"op": "test", "path": "/webhooks/2/name", "value": "webhook-2"},
        {"op": "test", "path": "/webhooks/2/clientConfig/caBundle", "value": "b2xk"},
        {"op": "add", "path": "/webhooks/2/clientConfig/caBundle", "value": SHOWN},
    ]


@pytest.mark.parametrize("shown", [configuration(SHOWN, SHOWN), configuration(), {}, {"webhooks": None}])
def test_where_nothing_differs_nothing_is_written(shown: Json) -> None:
    assert bundle_patch(shown, BUNDLE) == []


@pytest.mark.parametrize(
    ("shown", "certificate", "trusted"),
    [
        (configuration(SHOWN, SHOWN), b"-----B-----", True),
        (configuration(SHOWN, SHOWN), b"-----C-----", False),
        (configuration(SHOWN, None), b"-----A-----", False),
        (configuration(SHOWN, "%"), b"-----A-----", False),
        (configuration(), b"-----A-----", True),
    ],
)
def test_trust_is_what_every_entry_shows(shown: Json, certificate: bytes, trusted: bool) -> None:
    assert trusts(shown, certificate) is trusted


@given(ANY_JSON)
def test_an_odd_entry_is_left_alone(entry: Any) -> None:
    shown = {"webhooks": [entry]}
    bundle_patch(shown, BUNDLE)
    trusts(shown, b"x")
