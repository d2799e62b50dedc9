"""The slices NVIDIA GPUs can be cut into (MIG), by the profile's name.

Source: NVIDIA Multi-Instance GPU user guide, supported profiles; the set is that of kaito-project/kaito
`pkg/utils/mig`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

MIG_RESOURCE_PREFIX: Final = "nvidia.com/mig-"
"""What precedes a profile in the extended resource its slices are advertised as."""

_PROFILES: Final = {
    24: ("1g.6gb", "2g.12gb", "4g.24gb"),
    40: ("1g.5gb", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb"),
    80: ("1g.10gb", "1g.20gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb"),
    94: ("1g.12gb", "1g.24gb", "2g.24gb", "3g.47gb", "4g.47gb", "7g.94gb"),
    96: ("1g.12gb", "1g.24gb", "2g.24gb", "3g.48gb", "4g.48gb", "7g.96gb"),
    141: ("1g.18gb", "1g.35gb", "2g.35gb", "3g.71gb", "4g.71gb", "7g.141gb"),
    180: ("1g.23gb", "1g.45gb", "2g.45gb", "3g.90gb", "4g.90gb", "7g.180gb"),
}
"""Profiles by the memory of the whole GPU in GB, as its product name states it."""

_TOLERANCE: Final = 0.01

LEAST_CAPABILITY: Final = 8.0
"""CUDA compute capability of the oldest GPUs that can be cut."""


@dataclass(frozen=True, slots=True)
class MigProfile:
    """One kind of slice.

    Attributes:
        name: as users and device plug-in write it, such as `1g.10gb`.
        memory_gib: memory of the slice in GiB, rounded down as its name is.
        cards: memory in GB of the GPUs that can be cut so.
    """

    name: str
    memory_gib: int
    cards: tuple[int, ...]

    @property
    def resource(self) -> str:
        """The extended resource its slices are advertised as."""
        return f"{MIG_RESOURCE_PREFIX}{self.name}"


def _table() -> Mapping[str, MigProfile]:
    names = dict.fromkeys(name for profiles in _PROFILES.values() for name in profiles)
    found = {name: tuple(card for card, profiles in _PROFILES.items() if name in profiles) for name in names}
    return MappingProxyType(
        {name: MigProfile(name, int(name.partition(".")[2].removesuffix("gb")), cards) for name, cards in found.items()}
    )


MIG_PROFILES: Final = _table()
"""Every profile, by name."""


def slices_of(card_gib: float | None) -> tuple[MigProfile, ...]:
    """The slices a GPU can be cut into; none where its memory is unknown or no such GPU can be cut.

    Args:
        card_gib: memory of the whole GPU; drivers report up to a hundredth less than product names state.
    """
    memory = card_gib or 0.0
    return tuple(
        profile
        for profile in MIG_PROFILES.values()
        if any(abs(memory - card) <= card * _TOLERANCE for card in profile.cards)
    )
