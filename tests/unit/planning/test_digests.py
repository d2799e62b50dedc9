"""Digests that stand in clusters: an upgrade must find what it finds unchanged, or it rolls and trains everything anew.

A digest that differs here is a decision, never a mere consequence: `Wish.pods` decides whether a workload of KAITO's
goes on, and `Training.intent` whether a finished run counts as done.
"""

from dataclasses import dataclass, field

import pytest

from controller.api.json import Json
from controller.api.workspace import parse_workspace
from controller.planning.configs import INFERENCE_KEY
from controller.planning.rendering.objects import stated
from controller.planning.revisions import wish_of
from controller.planning.site import Site
from tests.unit.planning.rendering.kit import CATALOG, manifest, served, target_of, tuned

ADAPTER = {"source": {"name": "poet", "image": "registry.example.com/poet:1"}, "strength": "0.5"}
VOLUME = {"persistentVolumeClaim": {"claimName": "c", "readOnly": False}}
CONFIG = "vllm:\n  max-model-len: 4096\n"
TEMPLATE = {"spec": {"containers": [{"name": "c", "image": "i:1"}], "securityContext": {}}}
KNOWN: dict[str, tuple[Json, str]] = {
    "served": (served("phi-3-mini-4k-instruct"), "3fe086ff4a1267d8"),
    "with an adapter": (served("phi-3-mini-4k-instruct", adapters=[ADAPTER]), "8199185c1a21d058"),
    "with a ConfigMap": (served("phi-3-mini-4k-instruct", config="mine"), "e02e004fc7c18c7f"),
    "a template": (manifest(inference={"template": TEMPLATE}), "08152524f7b68d35"),
    "tuned": (tuned(), "a4613a4b00d3c8c9"),
    "tuned from a volume": (
        tuned(method="lora", input={"volumeSource": VOLUME}, output={"volumeSource": VOLUME}),
        "1b9f21e8cfaa6669",
    ),
}


def pods_of(obj: Json) -> str:
    workspace, site = parse_workspace(obj), Site(CATALOG, config_maps=lambda *_: {INFERENCE_KEY: CONFIG})
    return wish_of(workspace, obj, target_of(obj, CONFIG), site).pods


@pytest.mark.parametrize("name", KNOWN)
def test_what_was_asked_for_keeps_its_digest(name: str) -> None:
    obj, known = KNOWN[name]
    assert pods_of(obj) == known, "every workload of this kind would be replaced at the upgrade to this version"


@dataclass(frozen=True, slots=True)
class Older:
    name: str
    volume: Json | None = None


@dataclass(frozen=True, slots=True)
class Newer(Older):
    mode: str = "fast"
    parts: tuple[Older, ...] = ()
    also: dict[str, str] = field(default_factory=dict)


def test_a_field_a_later_version_adds_is_no_part_of_a_digest_until_it_is_set() -> None:
    assert stated(Newer("a")) == stated(Older("a")) == {"name": "a"}
    assert stated(Newer("a", mode="safe")) == {"name": "a", "mode": "safe"}
    assert stated(Newer("a", parts=(Older("b"),))) == {"name": "a", "parts": [{"name": "b"}]}


def test_what_users_write_within_is_kept_as_written() -> None:
    assert stated(Older("a", {"emptyDir": {}})) == {"name": "a", "volume": {"emptyDir": {}}}
