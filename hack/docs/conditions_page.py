"""The page of conditions: which ones a Workspace and its claims have, and when each holds."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from controller.api.claims import MACHINE, NODE_CLAIM, READY
from controller.api.workspace import ConditionType
from hack.docs.markdown import page, table
from provisioner.departure import DRAINED, INSTANCE_TERMINATING, VOLUMES_DETACHED


class Said(NamedTuple):
    """What a condition says: on which objects it stands, and when it is True."""

    stands: str
    holds: str


_ALWAYS: Final = "always"
_INFERENCE: Final = "with `inference`"
_TUNING: Final = "with `tuning`"

WORKSPACE: Final[Mapping[ConditionType, Said]] = MappingProxyType(
    {
        ConditionType.MACHINE_READY: Said(
            "unless NodeClaims are asked for", "Every Machine is ready, or none is needed."
        ),
        ConditionType.NODE_CLAIM_READY: Said(
            "where NodeClaims are asked for", "Every NodeClaim is ready, or none is needed."
        ),
        ConditionType.NODES_READY: Said(_ALWAYS, "Enough nodes can run pods now, each Ready and with its GPUs."),
        ConditionType.RESOURCE_READY: Said(
            _ALWAYS, "As `NodesReady`. While it is False it names the nearest cause, which may be that of a claim."
        ),
        ConditionType.INFERENCE_READY: Said(_INFERENCE, "Every pod answers its readiness probe."),
        ConditionType.JOB_STARTED: Said(_TUNING, "The training run has begun."),
        ConditionType.WORKSPACE_SUCCEEDED: Said(
            _ALWAYS, "With `inference` as `WorkspaceReady`; with `tuning` once the result is where it was asked for."
        ),
        ConditionType.WORKSPACE_READY: Said(_ALWAYS, "As `Ready`, under the name KAITO gives it."),
        ConditionType.READY: Said(
            _ALWAYS,
            "Nodes and model are ready, or the training run has ended well. While it is False it says the first cause.",
        ),
        ConditionType.RECONCILING: Said("while not ready", "Something is under way that comes to an end by itself."),
        ConditionType.STALLED: Said("while not ready", "Nothing goes on until a person acts; the message says how."),
        ConditionType.PAUSED: Said("while paused", "The annotation `kaito.sh/paused` keeps everything as it is."),
        ConditionType.DELETING: Said("while deleted", "The Workspace is going away; the message says what is left."),
    }
)
"""Every condition of a Workspace, in the order they are shown."""

MACHINES: Final[Mapping[str, Said]] = MappingProxyType(
    {
        MACHINE.launched: Said(_ALWAYS, "The cloud has made the agent pool."),
        MACHINE.registered: Said(_ALWAYS, "Its node has joined the cluster."),
        MACHINE.initialized: Said(_ALWAYS, "The node is Ready, without start-up taints, and shows its GPUs."),
        READY: Said(
            _ALWAYS, "All three hold. While they do not it names the first that is open; during removal, its progress."
        ),
    }
)
"""Every condition of a Machine."""

NODE_CLAIMS: Final[Mapping[str, Said]] = MappingProxyType(
    {
        **dict(zip(NODE_CLAIM.dependents, MACHINES.values(), strict=False)),
        READY: Said(_ALWAYS, "All three hold. While they do not it names every one that is open."),
        DRAINED: Said("during removal", "No pod is left to evict."),
        VOLUMES_DETACHED: Said(
            "during removal", "No volume is attached any more; False when the time for it was over."
        ),
        INSTANCE_TERMINATING: Said("during removal", "The cloud is removing the agent pool."),
    }
)
"""Every condition of a NodeClaim that `kaito-provisioner` writes."""

_INTRO: Final = """# Conditions

Each has a status, a reason of [the closed list](reasons.md), and a message in words and numbers. `observedGeneration`
tells which manifest it speaks of, `lastTransitionTime` since when its status is what it is.

```console
$ kubectl wait --for=condition=Ready workspace/phi-3 --timeout=30m
```

`Reconciling` and `Stalled` follow the conventions of kstatus: they stand on the object only while they hold."""

_CLAIMS: Final = """What a provisioner says of the node it makes. Another provisioner than ours may use other conditions
beside these."""


def conditions_page() -> str:
    """The text of docs/reference/conditions.md."""
    return page(
        _INTRO,
        "## Of a Workspace",
        _table(WORKSPACE),
        "## Of a Machine",
        _CLAIMS,
        _table(MACHINES),
        "## Of a NodeClaim",
        _table(NODE_CLAIMS),
    )


def _table(conditions: Mapping[str, Said] | Mapping[ConditionType, Said]) -> str:
    rows = ((f"`{type_}`", said.stands, said.holds) for type_, said in conditions.items())
    return table(("condition", "is there", "is True when"), rows)
