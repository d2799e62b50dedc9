"""What is done to the system, and when: everything drawn from a seed, nothing looked up."""

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from controller.api import labels
from controller.api.json import Json
from controller.api.resources import WORKSPACES

SHARED: Final = "chaos.kaito.sh/shared"
"""Label of the nodes that are there before and that several Workspaces want."""

T4: Final = "Standard_NC4as_T4_v3"
A100: Final = "Standard_NC24ads_A100_v4"
CONFIG: Final = "late-config"
"""ConfigMap some Workspaces name; it comes while they wait for it."""

_PHI_3: Final[Json] = {"name": "phi-3-mini-4k-instruct"}


class Kind(StrEnum):
    """Kinds of Workspaces."""

    SERVED = "served"
    COPIES = "copies"
    TEMPLATE = "template"
    TUNED = "tuned"
    RELEASING = "releasing"
    CONFIGURED = "configured"
    SHARING = "sharing"


class Act(StrEnum):
    """What people do."""

    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"
    CONFIGURE = "configure"
    SCALE = "scale somebody else's way"
    REMOVE = "remove what was made"


class Blow(StrEnum):
    """What happens to our programs."""

    CONTROLLER = "kaito-controller"
    PROVISIONER = "kaito-provisioner"
    WEBHOOK = "kaito-webhook"


@dataclass(frozen=True, slots=True)
class Deed:
    """One act of people.

    Attributes:
        at: when, as a share of the whole load.
        act: what.
        name: of the Workspace it is about.
        kind: of that Workspace.
        turn: how often the Workspace has been changed, so that every change is another one.
    """

    at: float
    act: Act
    name: str
    kind: Kind
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Strike:
    """A program is killed: the replica that leads, or all of them."""

    at: float
    program: Blow
    everyone: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """One run.

    Attributes:
        seed: gives all the rest.
        deeds: in their order.
        strikes: in their order.
        surviving: the Workspaces that are to be there in the end.
    """

    seed: int
    deeds: tuple[Deed, ...]
    strikes: tuple[Strike, ...]
    surviving: frozenset[str]


@dataclass(frozen=True, slots=True)
class Size:
    """How much of it.

    Attributes:
        workspaces: how many are made.
        strikes: how often a program is killed.
        load_seconds: how long people are at work.
        patience_seconds: how long the system may then take to come to rest.
    """

    workspaces: int
    strikes: int
    load_seconds: float
    patience_seconds: float


def plan_of(seed: int, workspaces: int, strikes: int) -> Plan:
    """The run of a seed."""
    chance = random.Random(seed)
    deeds: list[Deed] = [Deed(0.6, Act.CONFIGURE, CONFIG, Kind.CONFIGURED)]
    surviving = set()
    kinds = list(Kind)
    for number in range(workspaces):
        name, kind = f"w{number:03}", kinds[number % len(kinds)]
        mine = _life(chance, name, kind)
        deeds += mine
        if [deed.act for deed in mine if deed.act in (Act.CREATE, Act.DELETE)][-1] is Act.CREATE:
            surviving.add(name)
    return Plan(
        seed=seed,
        deeds=tuple(sorted(deeds, key=lambda deed: deed.at)),
        strikes=tuple(sorted((_strike(chance, place) for place in range(strikes)), key=lambda strike: strike.at)),
        surviving=frozenset(surviving),
    )


def _life(chance: random.Random, name: str, kind: Kind) -> list[Deed]:
    """A Workspace is made and may be changed, tampered with, deleted, and made anew."""
    now, turn = chance.uniform(0.0, 0.7), 0
    deeds = [Deed(now, Act.CREATE, name, kind)]
    for act in (Act.CHANGE, Act.SCALE, Act.REMOVE, Act.CHANGE):
        if chance.random() < _LIKELY[act]:
            now, turn = chance.uniform(now, 0.9), turn + 1
            deeds.append(Deed(now, act, name, kind, turn))
    if chance.random() < _LIKELY[Act.DELETE]:
        now = chance.uniform(now, 0.95)
        deeds.append(Deed(now, Act.DELETE, name, kind))
        if chance.random() < _LIKELY[Act.CREATE]:
            deeds.append(Deed(chance.uniform(now, 1.0), Act.CREATE, name, kind, turn + 1))
    return deeds


_LIKELY: Final = {Act.CHANGE: 0.5, Act.SCALE: 0.15, Act.REMOVE: 0.15, Act.DELETE: 0.8, Act.CREATE: 0.3}


def _strike(chance: random.Random, place: int) -> Strike:
    """Each program in turn; both replicas of the webhook together would only stop people from doing anything."""
    program = list(Blow)[place % len(Blow)]
    return Strike(chance.uniform(0.1, 0.9), program, program is not Blow.WEBHOOK and chance.random() < 0.5)


def manifest(namespace: str, deed: Deed) -> Json:
    """The Workspace as it is created."""
    own = {SHARED: "yes"} if deed.kind is Kind.SHARING else {"chaos.kaito.sh/name": f"{namespace}.{deed.name}"}
    size = A100 if deed.kind in (Kind.TUNED, Kind.RELEASING, Kind.CONFIGURED) else T4
    resource: Json = {"instanceType": size, "labelSelector": {"matchLabels": own}}
    if deed.kind is Kind.COPIES:
        resource["count"] = 2
    annotations = {labels.RELEASE_NODES: labels.WHEN_DONE} if deed.kind is Kind.RELEASING else {}
    return {
        "apiVersion": WORKSPACES.api_version,
        "kind": WORKSPACES.kind,
        "metadata": {"name": deed.name, "namespace": namespace, "annotations": annotations},
        "resource": resource,
        **_work(deed.kind, deed.turn),
    }


def change(deed: Deed) -> Json:
    """What is laid over the Workspace by a change."""
    return _work(deed.kind, deed.turn)


def _work(kind: Kind, turn: int) -> Json:
    match kind:
        case Kind.TEMPLATE:
            return {"inference": {"template": {"spec": {"containers": [_container(turn)]}}}}
        case Kind.TUNED | Kind.RELEASING:
            return {"tuning": _tuning(turn)}
        case Kind.CONFIGURED:
            return {"inference": {"preset": _PHI_3, "config": CONFIG, **_adapters(turn)}}
        case Kind.SERVED | Kind.COPIES | Kind.SHARING:
            return {"inference": {"preset": _PHI_3, **_adapters(turn)}}


def _adapters(turn: int) -> Json:
    image = f"registry.example.com/adapters/poet:{turn}"
    return {"adapters": [{"source": {"name": "poet", "image": image}, "strength": "0.5"}]} if turn else {}


def _container(turn: int) -> Json:
    limits = {"limits": {"nvidia.com/gpu": "1"}}
    return {"name": "server", "image": f"registry.example.com/team/server:{turn}", "resources": limits}


def _tuning(turn: int) -> Json:
    return {
        "preset": _PHI_3,
        "method": "qlora",
        "input": {"urls": [f"https://data.example.com/{turn}.parquet"]},
        "output": {"image": "registry.example.com/results:1", "imagePushSecret": "push-key"},
    }
