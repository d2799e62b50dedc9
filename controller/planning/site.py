"""The installation a Workspace is judged and planned for: what is known there, and what is allowed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from controller.catalog import Catalog, Price, Sku, load_catalog

ConfigMaps: TypeAlias = Callable[[str, str], Mapping[str, str] | None]
"""The data of a ConfigMap by namespace and name, as known now; None where none is known. Never waits."""


def no_config_maps(namespace: str, name: str) -> None:
    """Nothing is known of any ConfigMap."""


@dataclass(frozen=True, slots=True)
class Site:
    """The installation.

    Attributes:
        catalog: models and sizes.
        auto_provision: whether nodes are made for Workspaces; otherwise existing ones are used.
        region: the cloud's region, for prices; empty where it is not known.
        allowed: lower-case names of the sizes that may be chosen for users; empty allows every current one.
        config_maps: what is known of the users' configuration.
    """

    catalog: Catalog = field(default_factory=load_catalog)
    auto_provision: bool = True
    region: str = ""
    allowed: frozenset[str] = frozenset()
    config_maps: ConfigMaps = no_config_maps

    def price(self, sku: Sku) -> Price | None:
        """The list price of one machine of a size here; None where nobody knows it."""
        return self.catalog.price(sku, self.region) if self.region else None

    def allows(self, sku: Sku) -> bool:
        """Whether nodes of a size may be proposed to users."""
        return not self.allowed or sku.name.lower() in self.allowed
