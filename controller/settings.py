"""Options of the workspace operator."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from controller.api.claims import DEFAULT_NODE_CLASS, NodeClass
from controller.api.node_source import NodeSource
from controller.installation import SiteOptions, add_site_options, site_options
from controller.runtime.options import CommonOptions, add_common_options, one_of, option


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator was told at its start.

    Attributes:
        common: options every program has.
        node_source: where nodes come from, unless a Workspace says otherwise.
        node_class: which provisioner NodeClaims ask.
        workers: Workspaces reconciled at the same time.
        site: what it was told of the installation.
    """

    common: CommonOptions
    node_source: NodeSource
    node_class: NodeClass
    workers: int
    site: SiteOptions

    @property
    def provision(self) -> bool:
        """Whether missing nodes are claimed."""
        return self.node_source.kind is not None


def parse_settings(argv: Sequence[str]) -> Settings:
    """The settings of a command line and the environment; a wrong one ends the process with a usage error."""
    parser = argparse.ArgumentParser(
        prog="kaito-controller", description="Makes nodes, workloads and status of Workspaces follow their manifests."
    )
    add_common_options(parser)
    sources = [*NodeSource]
    option(parser, "--node-source", parse=one_of(sources), default=NodeSource.MACHINE, help=", ".join(sources))
    _add_node_class(parser)
    option(parser, "--workers", parse=_workers, default="8", help="Workspaces reconciled at the same time")
    add_site_options(parser)
    args = parser.parse_args(argv)
    common = CommonOptions.from_args(parser, args)
    return Settings(
        common=common,
        node_source=NodeSource(args.node_source),
        node_class=NodeClass(args.node_class_group, args.node_class_kind, args.node_class_name),
        workers=args.workers,
        site=site_options(parser, args),
    )


def _add_node_class(parser: argparse.ArgumentParser) -> None:
    """The node class of NodeClaims; each part of it must be there, as the CRD demands."""
    usual = DEFAULT_NODE_CLASS
    for part, value in (("group", usual.group), ("kind", usual.kind), ("name", usual.name)):
        help_text = f"{part.capitalize()} of the node class NodeClaims name"
        option(parser, f"--node-class-{part}", parse=_node_class_part, default=value, help=help_text)


def _node_class_part(text: str) -> str:
    if not text or not text.replace("-", "").replace(".", "").isalnum():
        raise ValueError("letters, digits, - and . only")
    return text


def _workers(text: str) -> int:
    count = int(text) if text.isdecimal() else 0
    if not 1 <= count <= 100:
        raise ValueError("expected a whole number from 1 to 100")
    return count
