"""What `up` was asked for, handed to the supervisor as a file."""

import dataclasses
import json
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from hack.devcluster.layout import Layout, write_private


class Scope(Enum):
    """How much is started; every scope includes the ones before it."""

    CONTROL_PLANE = "control-plane"
    WEBHOOK = "webhook"
    ALL = "all"

    def includes(self, other: "Scope") -> bool:
        """Whether everything `other` starts is started too."""
        order = list(Scope)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class Request:
    """The wishes of one `up`."""

    binaries: str
    """The folder with the control plane's binaries."""
    scope: Scope = Scope.ALL
    replicas: int = 2
    """Processes per program of ours."""
    speed: float = 1.0
    """What simulated times are divided by."""
    scenario: str = ""
    """A scenario file for the AKS simulator; empty for none."""
    heartbeats: bool = True
    """Whether Nodes must prove that they live. Without, thousands of them cost nothing, and none is ever lost."""

    def save(self, layout: Layout) -> None:
        """Write the request for the supervisor."""
        write_private(layout.request, json.dumps(dataclasses.asdict(self) | {"scope": self.scope.value}, indent=2))


def load_request(path: Path) -> Request:
    """Read what `up` wrote."""
    fields = json.loads(path.read_text(encoding="utf-8"))
    return Request(**(fields | {"scope": Scope(fields["scope"])}))
