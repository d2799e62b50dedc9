"""Options of the workspace operator."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from controller.installation import SiteOptions, add_site_options, site_options
from controller.runtime.options import CommonOptions, add_common_options, one_of, option

NODE_SOURCES: Final = ("machine", "existing")
"""Where nodes come from: claimed through karpenter.sh/v1alpha5 Machines, or only those that exist."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator was told at its start.

    Attributes:
        common: options every program has.
        node_source: one of NODE_SOURCES.
        workers: Workspaces reconciled at the same time.
        site: what it was told of the installation.
    """

    common: CommonOptions
    node_source: str
    workers: int
    site: SiteOptions

    @property
    def provision(self) -> bool:
        """Whether missing nodes are claimed."""
        return self.node_source == "machine"


def parse_settings(argv: Sequence[str]) -> Settings:
    """The settings of a command line and the environment; a wrong one ends the process with a usage error."""
    parser = argparse.ArgumentParser(
        prog="kaito-controller", description="Makes nodes, workloads and status of Workspaces follow their manifests."
    )
    add_common_options(parser)
    option(parser, "--node-source", parse=one_of(NODE_SOURCES), default="machine", help="machine or existing")
    option(parser, "--workers", parse=_workers, default="8", help="Workspaces reconciled at the same time")
    add_site_options(parser)
    args = parser.parse_args(argv)
    common = CommonOptions.from_args(parser, args)
    return Settings(common=common, node_source=args.node_source, workers=args.workers, site=site_options(parser, args))


def _workers(text: str) -> int:
    count = int(text) if text.isdecimal() else 0
    if not 1 <= count <= 100:
        raise ValueError("expected a whole number from 1 to 100")
    return count
