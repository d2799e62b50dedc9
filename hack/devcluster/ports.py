"""Ports that stay ours: reserved for a cluster's life, so that clusters side by side never meet."""

import socket

LOOPBACK = "127.0.0.1"
"""The only address anything of a cluster listens on."""


class Ports:
    """Free ports of the loopback interface, each held by a bound socket that never listens.

    Linux lets a process listen on such a port when both sockets allow reuse (socket(7), SO_REUSEADDR), while the search
    for a free port by anyone else skips it. So a component can be restarted on its port, and nobody takes it meanwhile.
    """

    def __init__(self) -> None:
        self._held: list[socket.socket] = []

    def take(self) -> int:
        """A port that was free and now belongs to this object."""
        holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        holder.bind((LOOPBACK, 0))
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._held.append(holder)
        return int(holder.getsockname()[1])

    def __enter__(self) -> "Ports":
        return self

    def __exit__(self, *_: object) -> None:
        for holder in self._held:
            holder.close()
