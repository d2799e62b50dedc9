"""The kinds of Workspaces there are, each with a change in the middle of its life."""

from dataclasses import dataclass, field

from controller.api import labels
from controller.api.json import Json

T4 = "Standard_NC4as_T4_v3"
A100 = "Standard_NC24ads_A100_v4"

_PHI_3: Json = {"name": "phi-3-mini-4k-instruct"}
_DATA, _OTHER_DATA, _RESULTS = "data", "other-data", "results"

VOLUMES = (_DATA, _OTHER_DATA, _RESULTS)
"""PersistentVolumeClaims that are there, and bound, in every namespace."""


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of Workspace.

    Attributes:
        name: for people.
        work: `inference` or `tuning`, as the manifest has it.
        change: what is laid over the manifest, as a merge patch; the ConfigMap `config` is another one after it, too.
        shows: what stands in the objects made for the Workspace only after the change.
        rolls: whether the change replaces the pods.
        size: of the nodes.
        count: nodes wanted; 0 leaves it to be worked out.
        nodes: nodes it runs on.
        existing: how many of these nodes are there before.
        annotations: of the Workspace.
        config: text of the ConfigMap `config` before and after the change; empty for none.
    """

    name: str
    work: Json
    change: Json
    shows: str
    rolls: bool = True
    size: str = T4
    count: int = 0
    nodes: int = 1
    existing: int = 0
    annotations: dict[str, str] = field(default_factory=dict)
    config: tuple[str, str] = ("", "")

    @property
    def tunes(self) -> bool:
        """Whether it is a training run, which ends."""
        return "tuning" in self.work

    @property
    def made(self) -> int:
        """How many nodes are made for it."""
        return self.nodes - self.existing


def _adapter(name: str) -> Json:
    source = {"name": name, "image": f"registry.example.com/adapters/{name}:1", "imagePullSecrets": ["registry-key"]}
    return {"source": source, "strength": "0.5"}


def _template(tag: str) -> Json:
    container = {
        "name": "server",
        "image": f"registry.example.com/team/server:{tag}",
        "ports": [{"containerPort": 8080}],
        "resources": {"limits": {"nvidia.com/gpu": 1}},
    }
    return {"inference": {"template": {"spec": {"containers": [container]}}}}


def _private(tag: str) -> Json:
    options = {"image": f"registry.example.com/models/llama-2-7b:{tag}", "imagePullSecrets": ["registry-key"]}
    return {"inference": {"preset": {"name": "llama-2-7b", "accessMode": "private", "presetOptions": options}}}


def _volume(name: str) -> Json:
    return {"volumeSource": {"persistentVolumeClaim": {"claimName": name}}}


def _served(**fields: str) -> Json:
    return {"inference": {"preset": _PHI_3, **fields}}


SERVED = (
    Case(
        "inference on one node",
        _served(config="config"),
        change={},
        shows="--max-model-len=2048",
        size=A100,
        config=("vllm: {max-model-len: 1024}", "vllm: {max-model-len: 2048}"),
    ),
    Case(
        "inference behind a load balancer",
        _served(),
        change={"metadata": {"annotations": {labels.ENABLE_LOAD_BALANCER: "True"}}},
        shows='"LoadBalancer"',
        rolls=False,
    ),
    Case(
        "inference over several nodes",
        {
            "inference": {
                "preset": {"name": "llama-3.3-70b-instruct", "presetOptions": {"modelAccessSecret": "hf-token"}},
                "config": "config",
            }
        },
        change={},
        shows="--max-model-len=4096",
        size=A100,
        nodes=3,
        config=("vllm: {max-model-len: 2048}", "vllm: {max-model-len: 4096}"),
    ),
    Case(
        "adapters",
        {"inference": {"preset": {"name": "phi-3-mini-128k-instruct"}, "adapters": [_adapter("poet")]}},
        change={"inference": {"adapters": [_adapter("poet"), _adapter("clerk")]}},
        shows="registry.example.com/adapters/clerk:1",
        size="Standard_NC6s_v3",
    ),
    Case("template", _template("1"), change=_template("2"), shows="registry.example.com/team/server:2"),
    Case(
        "existing node",
        _served(),
        change={"inference": {"adapters": [_adapter("poet")]}},
        shows="registry.example.com/adapters/poet:1",
        existing=1,
        annotations={labels.NODE_SOURCE: "existing"},
    ),
    Case(
        "existing and new nodes",
        _served(),
        change={"inference": {"adapters": [_adapter("poet")]}},
        shows="registry.example.com/adapters/poet:1",
        count=2,
        nodes=2,
        existing=1,
    ),
    Case(
        "private registry",
        _private("1"),
        change=_private("2"),
        shows="registry.example.com/models/llama-2-7b:2",
        size=A100,
    ),
)

_INPUTS: dict[str, tuple[Json, Json, str]] = {
    "urls": (
        {"urls": ["https://data.example.com/a.parquet"]},
        {"urls": ["https://data.example.com/b.parquet"]},
        "https://data.example.com/b.parquet",
    ),
    "image": (
        {"image": "registry.example.com/data:1", "imagePullSecrets": ["registry-key"]},
        {"image": "registry.example.com/data:2", "imagePullSecrets": ["registry-key"]},
        "registry.example.com/data:2",
    ),
    "volume": (_volume(_DATA), {}, ""),
}
_OUTPUTS: dict[str, tuple[Json, Json, str]] = {
    "image": (
        {"image": "registry.example.com/results:1", "imagePushSecret": "push-key"},
        {"image": "registry.example.com/results:2", "imagePushSecret": "push-key"},
        "registry.example.com/results:2",
    ),
    "volume": (_volume(_RESULTS), {}, ""),
}


def _tuned(source: str, target: str) -> Case:
    """Tuning from one kind of source to one kind of target; the first of the two that has another one changes."""
    (data, other_data, data_shows), (result, other_result, result_shows) = _INPUTS[source], _OUTPUTS[target]
    changes = [
        ({"input": other_data}, data_shows),
        ({"output": other_result}, result_shows),
        ({"input": _volume(_OTHER_DATA)}, _OTHER_DATA),
    ]
    change, shows = next((change, shows) for change, shows in changes if shows)
    work = {"preset": _PHI_3, "method": "qlora", "input": data, "output": result}
    return Case(f"tuning, {source} to {target}", {"tuning": work}, {"tuning": change}, shows, size=A100)


TUNED = tuple(_tuned(source, target) for source in _INPUTS for target in _OUTPUTS)

CASES = (*SERVED, *TUNED)
