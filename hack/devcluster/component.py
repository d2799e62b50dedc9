"""What the supervisor starts: one description per process."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

Probe = Callable[[], Awaitable[str]]
"""Asks a process whether it is ready; the empty string, or what is missing."""


@dataclass(frozen=True, slots=True)
class Component:
    """One process of a cluster."""

    name: str
    argv: tuple[str, ...]
    probe: Probe
    ports: Mapping[str, int] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    grace_seconds: float = 0.0
    """How long it may take to end after SIGTERM; with 0 it is killed at once."""
    probe_seconds: float = 1.0
    """How often it is asked once it has been ready."""
