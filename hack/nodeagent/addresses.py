"""Where pods are reached: the address Kubernetes knows, and the one of the loopback interface behind it."""

import secrets
from dataclasses import dataclass, field

_PODS = "10.244"
"""What the control plane is told: it takes no loopback address for a pod."""

_LOCAL = "127.97"
"""Linux answers on all of 127.0.0.0/8; the local control plane keeps 127.96.0.0/16 for Services."""


def local_of(address: str) -> str:
    """The local address that stands behind a pod's, whoever asks."""
    return f"{_LOCAL}{address.removeprefix(_PODS)}"


@dataclass(slots=True)
class Addresses:
    """The addresses of one node's pods."""

    _local: dict[str, str] = field(default_factory=dict)

    def take(self) -> tuple[str, str]:
        """A pod's address and the local one behind it.

        Both are drawn by lot: several nodes on one machine must not listen on the same.
        """
        while True:
            tail = f"{secrets.randbelow(256)}.{1 + secrets.randbelow(254)}"
            if (address := f"{_PODS}.{tail}") not in self._local:
                self._local[address] = local_of(address)
                return address, self._local[address]

    def local(self, address: str) -> str:
        """The local address behind a pod's, empty when no pod here has it."""
        return self._local.get(address, "")

    def give_back(self, address: str) -> None:
        """The pod is gone."""
        self._local.pop(address, None)
