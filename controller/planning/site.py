"""The installation a Workspace is judged and planned for: what is known there, and what is allowed."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from controller.api.claims import DEFAULT_NODE_CLASS, MACHINE, ClaimKind, NodeClass
from controller.api.node_source import NodeSource
from controller.catalog import Catalog, Preset, Price, Sku, load_catalog
from controller.catalog.prices import REFERENCE_REGIONS
from controller.planning.node_facts import NodeFacts
from controller.planning.registries import PUBLISHED, Registries
from controller.planning.repair import PATIENCE
from controller.planning.sizing import Suggestion, Use, suggest

ConfigMaps: TypeAlias = Callable[[str, str], Mapping[str, str] | None]
"""The data of a ConfigMap by namespace and name, as known now; None where none is known. Never waits."""

Nodes: TypeAlias = Callable[[], Collection[NodeFacts] | None]
"""The nodes of the cluster as known now; None where nobody watches them. Never waits."""

REMEMBERED: Final = 512
"""Answers a site remembers; more are only asked for by somebody who varies a number."""

_Answers: TypeAlias = dict[tuple[str, Use], tuple[Preset, tuple[Suggestion, ...]]]


def no_config_maps(namespace: str, name: str) -> None:
    """Nothing is known of any ConfigMap."""


def no_nodes() -> None:
    """Nobody watches nodes."""


@dataclass(frozen=True, slots=True)
class Site:
    """The installation.

    Attributes:
        catalog: models and sizes.
        auto_provision: whether nodes are made for Workspaces; otherwise existing ones are used.
        region: the cloud's region, for prices; empty where it is not known.
        allowed: lower-case names of the sizes nodes may be made of; empty allows all.
        config_maps: what is known of the users' configuration.
        nodes: what is known of the nodes there are.
        claims: the kind of claim missing nodes are asked for with, where nodes are made.
        node_class: which provisioner NodeClaims ask.
        registries: where published images come from.
        local_disks: StorageClass of the local NVMe disks of nodes; empty where nothing provides volumes on them.
        patience: seconds an existing node may stay unusable before it is replaced.
    """

    catalog: Catalog = field(default_factory=load_catalog)
    auto_provision: bool = True
    region: str = ""
    allowed: frozenset[str] = frozenset()
    config_maps: ConfigMaps = no_config_maps
    nodes: Nodes = no_nodes
    claims: ClaimKind = MACHINE
    node_class: NodeClass = DEFAULT_NODE_CLASS
    registries: Registries = PUBLISHED
    local_disks: str = ""
    patience: float = PATIENCE
    _answers: _Answers = field(init=False, default_factory=dict, compare=False, repr=False)
    _sourced: "dict[NodeSource, Site]" = field(init=False, default_factory=dict, compare=False, repr=False)

    def sourced(self, wish: NodeSource | None) -> "Site":
        """The installation for a Workspace that asks for a source of its own; without a wish it is this one."""
        if wish is None:
            return self
        if wish not in self._sourced:
            claims = wish.kind or self.claims
            self._sourced[wish] = replace(self, auto_provision=wish.kind is not None, claims=claims)
        return self._sourced[wish]

    def price(self, sku: Sku) -> Price | None:
        """The list price of one machine of a size here; None where nobody knows it.

        While the region is not known, that of the first reference region that has one; the price names its region.
        """
        regions = (self.region,) if self.region else REFERENCE_REGIONS.get(self.catalog.cloud, ())
        return next((price for region in regions if (price := self.catalog.price(sku, region)) is not None), None)

    def allows(self, sku: Sku) -> bool:
        """Whether nodes of a size may be made."""
        return not self.allowed or sku.name.lower() in self.allowed

    def suggestions(self, preset: Preset, use: Use) -> tuple[Suggestion, ...]:
        """The allowed sizes that fit a use of a preset, at most three, best first.

        The sums over all sizes are made once; while a site lives neither its catalogue nor its prices change.
        """
        known, found = self._answers.get((preset.name, use), (None, ()))
        if known is not preset:
            found = suggest(preset, self.catalog, use, allowed=self.allows, price=self.price)
            if len(self._answers) >= REMEMBERED:
                self._answers.clear()
            self._answers[preset.name, use] = (preset, found)
        return found
