"""Options of the workspace operator."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from controller.api.claims import DEFAULT_NODE_CLASS, NodeClass
from controller.api.node_source import NodeSource
from controller.installation import SiteOptions, add_site_options, site_options
from controller.planning.names import is_subdomain
from controller.planning.registries import Registries, parse_rewrites, parse_secret_names
from controller.runtime.options import (
    CommonOptions,
    add_common_options,
    durations,
    one_of,
    option,
    whole_numbers,
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator was told at its start.

    Attributes:
        common: options every program has.
        node_source: where nodes come from, unless a Workspace says otherwise.
        node_class: which provisioner NodeClaims ask.
        workers: Workspaces reconciled at the same time.
        site: what it was told of the installation.
        registries: where published images come from.
        local_disks: StorageClass of the local NVMe disks of nodes; empty for none.
        patience: seconds an existing node may stay unusable before it is replaced.
    """

    common: CommonOptions
    node_source: NodeSource
    node_class: NodeClass
    workers: int
    site: SiteOptions
    registries: Registries
    local_disks: str
    patience: float

    @property
    def provision(self) -> bool:
        """Whether missing nodes are claimed."""
        return self.node_source.kind is not None


def command_line() -> argparse.ArgumentParser:
    """The options of the operator, with the environment's values for defaults."""
    parser = argparse.ArgumentParser(
        prog="kaito-controller", description="Makes nodes, workloads and status of Workspaces follow their manifests."
    )
    add_common_options(parser)
    sources = [*NodeSource]
    option(parser, "--node-source", parse=one_of(sources), default=NodeSource.MACHINE, help=", ".join(sources))
    _add_node_class(parser)
    what = "Workspaces reconciled at the same time"
    option(parser, "--workers", parse=whole_numbers(1, 100), default="12", help=what)
    _add_registries(parser)
    what = "StorageClass of the nodes' local NVMe disks, where a driver provides one: downloaded weights are kept there"
    option(parser, "--local-disk-storage-class", parse=_object_name, default="", help=what)
    what = "How long an existing node may stay unusable before another takes its place; nodes of claims are not meant"
    option(parser, "--replace-nodes-after", parse=durations("1s", "168h"), default="10m", help=what)
    add_site_options(parser)
    return parser


def parse_settings(argv: Sequence[str]) -> Settings:
    """The settings of a command line and the environment; a wrong one ends the process with a usage error."""
    parser = command_line()
    args = parser.parse_args(argv)
    common = CommonOptions.from_args(parser, args)
    return Settings(
        common=common,
        node_source=NodeSource(args.node_source),
        node_class=NodeClass(args.node_class_group, args.node_class_kind, args.node_class_name),
        workers=args.workers,
        site=site_options(parser, args),
        registries=Registries(args.registry_rewrite, args.image_pull_secrets),
        local_disks=args.local_disk_storage_class,
        patience=args.replace_nodes_after,
    )


def _add_node_class(parser: argparse.ArgumentParser) -> None:
    """The node class of NodeClaims; each part of it must be there, as the CRD demands."""
    usual = DEFAULT_NODE_CLASS
    for part, value in (("group", usual.group), ("kind", usual.kind), ("name", usual.name)):
        help_text = f"{part.capitalize()} of the node class NodeClaims name"
        option(parser, f"--node-class-{part}", parse=_node_class_part, default=value, help=help_text)


def _add_registries(parser: argparse.ArgumentParser) -> None:
    what = "FROM=TO,FROM=TO: registries, or folders in them, that take the place of the published ones; longest first"
    option(parser, "--registry-rewrite", parse=parse_rewrites, default="", help=what)
    what = "Secrets, separated by commas, that pods with published images pull them with; looked for in their namespace"
    option(parser, "--image-pull-secrets", parse=parse_secret_names, default="", help=what)


def _node_class_part(text: str) -> str:
    if not text or not text.replace("-", "").replace(".", "").isalnum():
        raise ValueError("letters, digits, - and . only")
    return text


def _object_name(text: str) -> str:
    if text and not is_subdomain(text):
        raise ValueError("expected the name of an object")
    return text
