"""What runs in a cluster, as the supervisor last wrote it down."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from hack.devcluster.layout import Layout, write_private
from hack.devcluster.processes import ProcessId


class Phase(Enum):
    """Where a cluster is in its life."""

    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class ProcessState:
    """One process: who it is, where it listens, how it fares."""

    name: str
    process: ProcessId | None
    """None between two runs."""
    restarts: int
    waiting_for: str
    """Empty when it is ready."""
    ports: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ClusterState:
    """A whole cluster."""

    phase: Phase
    scope: str
    supervisor: ProcessId
    message: str = ""
    """What failed, when the phase says so; else what is being done."""
    processes: tuple[ProcessState, ...] = ()
    endpoints: Mapping[str, str] = field(default_factory=dict)
    """Name to URL: kube-apiserver, webhook, aks-simulator."""

    def find(self, name: str) -> ProcessState:
        """The process of that name.

        Raises:
            KeyError: there is none; the message lists those there are.
        """
        for process in self.processes:
            if process.name == name:
                return process
        raise KeyError(f"no process {name!r}; there are {', '.join(process.name for process in self.processes)}")

    @property
    def every_process(self) -> list[ProcessId]:
        """The supervisor and all it started."""
        return [self.supervisor, *(item.process for item in self.processes if item.process)]


def to_json(state: ClusterState) -> str:
    """The state as a JSON document."""
    return json.dumps(dataclasses.asdict(state) | {"phase": state.phase.value}, indent=2)


def from_json(text: str) -> ClusterState:
    """The state a JSON document holds."""
    fields = json.loads(text)
    processes = tuple(
        ProcessState(**(item | {"process": ProcessId(**item["process"]) if item["process"] else None}))
        for item in fields["processes"]
    )
    supervisor = ProcessId(**fields["supervisor"])
    return ClusterState(
        **(fields | {"phase": Phase(fields["phase"]), "supervisor": supervisor, "processes": processes})
    )


def save(layout: Layout, state: ClusterState) -> None:
    """Replace the state file."""
    write_private(layout.state, to_json(state))


def load(layout: Layout) -> ClusterState | None:
    """The last state written; None when no cluster was started in this directory."""
    if not layout.state.exists():
        return None
    return from_json(layout.state.read_text(encoding="utf-8"))
