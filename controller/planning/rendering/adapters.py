"""LoRA adapters beside a preset: fetched by init containers or mounted, where the model servers look for them."""

from dataclasses import dataclass
from typing import Final

from controller.api.json import Json
from controller.api.workspace import AdapterSpec, Runtime, Workspace
from controller.planning.rendering.parts import literal
from controller.planning.rendering.pulling import SCRATCH, key_mounts, key_volumes, pull_container

ADAPTERS_PATH: Final = "/mnt/adapter"
"""Every folder below it is served as an adapter of that name. Source: kaito-project/kaito's inference programs."""

_FETCHED: Final = "adapters"


@dataclass(frozen=True, slots=True)
class Adapters:
    """What adapters add to a pod.

    Attributes:
        specs: the adapters.
        pullers: init containers that fetch them.
        volumes: volumes of the pod.
        mounts: where the server finds them.
    """

    specs: tuple[AdapterSpec, ...] = ()
    pullers: tuple[Json, ...] = ()
    volumes: tuple[Json, ...] = ()
    mounts: tuple[Json, ...] = ()

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.specs)

    @property
    def foreign(self) -> bool:
        """Whether any is in a volume of the user's."""
        return any(spec.source is not None and spec.source.volume is not None for spec in self.specs)

    def strengths(self, runtime: Runtime) -> list[Json]:
        """Variables with the strengths, each named like its adapter; only Transformers merges by strength."""
        return [{"name": name, "value": value} for name, value in self._weighed(runtime) if not name[:1].isdigit()]

    def launcher(self, runtime: Runtime) -> list[str]:
        """What goes before the server's command: it sets the variables that a pod may not name.

        Before Kubernetes 1.32 the name of a variable may not begin with a digit, as names of adapters may.
        """
        found = [f"{name}={literal(value)}" for name, value in self._weighed(runtime) if name[:1].isdigit()]
        return ["env", *found] if found else []

    def _weighed(self, runtime: Runtime) -> list[tuple[str, str]]:
        if runtime is not Runtime.TRANSFORMERS:
            return []
        return [(spec.source.name, spec.strength) for spec in self.specs if spec.source and spec.strength]


def render_adapters(workspace: Workspace) -> Adapters:
    """What the Workspace's adapters add to its pod; nothing where it has none."""
    specs = workspace.inference.adapters if workspace.inference is not None else ()
    pullers: list[Json] = []
    volumes: list[Json] = []
    mounts: list[Json] = []
    for index, spec in enumerate(specs):
        if spec.source is None:
            continue
        path = f"{ADAPTERS_PATH}/{spec.source.name}"
        if spec.source.volume is not None:
            volumes.append({**spec.source.volume, "name": f"adapter-{index}"})
            mounts.append({"name": f"adapter-{index}", "mountPath": path, "readOnly": True})
        else:
            keys = key_volumes(f"adapter-{index}", spec.source.image_pull_secrets)
            shared = {"name": _FETCHED, "mountPath": ADAPTERS_PATH}
            volumes += keys
            pullers.append(pull_container(f"pull-adapter-{index}", spec.source.image, shared, path, key_mounts(keys)))
    if pullers:
        volumes += [SCRATCH, {"name": _FETCHED, "emptyDir": {}}]
        mounts.insert(0, {"name": _FETCHED, "mountPath": ADAPTERS_PATH})
    return Adapters(specs, tuple(pullers), tuple(volumes), tuple(mounts))
