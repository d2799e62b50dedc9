"""What the provisioner is told at its start."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from pathlib import Path
from typing import Any, Final

from controller.runtime.options import (
    CommonOptions,
    Range,
    add_common_options,
    boolean,
    duration,
    durations,
    one_of,
    option,
    whole_numbers,
)
from provisioner.offerings import Place
from provisioner.policy import Policy
from provisioner.replacements import MOST_REPLACEMENTS
from provisioner.wish import parse_tags


class Cloud(StrEnum):
    """Azure's clouds."""

    PUBLIC = "public"
    CHINA = "china"
    USGOV = "usgov"


class CredentialKind(StrEnum):
    """Where the identity for Azure comes from."""

    WORKLOAD_IDENTITY = "workload-identity"
    MANAGED_IDENTITY = "managed-identity"
    DEFAULT = "default"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class AzureSettings:
    """Which AKS cluster, and how to speak to Azure.

    Attributes:
        endpoint: base URL of the resource manager; empty for the cloud's own.
        ca_file: certificates to trust instead of the system's.
        client_id: of the identity to use, where several are at hand; empty for the only one.
    """

    subscription_id: str
    resource_group: str
    cluster_name: str
    cloud: Cloud = Cloud.PUBLIC
    endpoint: str = ""
    ca_file: Path | None = None
    credential: CredentialKind = CredentialKind.WORKLOAD_IDENTITY
    client_id: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the provisioner is told.

    Attributes:
        place: where pools are made and what all of them share.
        poll_interval: seconds between two readings of the pools while one of them is expected to change.
        idle_interval: the same while none is.
        workers: claims worked on at the same time.
    """

    common: CommonOptions
    azure: AzureSettings
    policy: Policy
    place: Place = field(default_factory=Place)
    poll_interval: float = 5.0
    idle_interval: float = 300.0
    workers: int = 16


_AZURE_OPTIONS: Final = (
    ("--azure-subscription-id", "ARM_SUBSCRIPTION_ID", "Subscription of the AKS cluster"),
    ("--azure-resource-group", "ARM_RESOURCE_GROUP", "Resource group of the AKS cluster, not that of its nodes"),
    ("--azure-cluster-name", "AZURE_CLUSTER_NAME", "Name of the AKS cluster"),
)
NEVER: Final = "never"
"""In place of a duration that has no end, as where Karpenter is to be taken at its word."""


def _or_never(text: str) -> float:
    """Seconds of a duration; without end for `never`."""
    return inf if text == NEVER else duration(text)


_DAY: Final = durations("1s", "24h")
_DEADLINES: Final = (
    ("--launch-deadline", "30m", _DAY, "How long an agent pool may take before the claim says so"),
    (
        "--request-deadline",
        "150s",
        durations("5s", "1h"),
        "How long an unanswered request for an agent pool may yet be carried out",
    ),
    ("--registration-deadline", "20m", _DAY, "How long a node may take to join before the claim says so"),
    (
        "--rejoin-deadline",
        "3m",
        durations("1s", "1h"),
        "How long another node is awaited where one was deleted that was not Ready, as after a stop of the cluster",
    ),
    ("--initialization-deadline", "20m", _DAY, "How long a node may take to be usable before the claim says so"),
    (
        "--drain-deadline",
        "1h",
        Range(_or_never, "0s", NEVER),
        "How long disruption budgets and do-not-disrupt marks may hold up the removal of a deleted claim's node",
    ),
    ("--termination-deadline", "30m", _DAY, "How long the removal of a claim may take before the claim says so"),
    (
        "--repair-deadline",
        "15m",
        durations("0s", "24h"),
        "How long an initialized node may be not Ready before it is replaced; 0s for ever",
    ),
    (
        "--launch-retry-initial",
        "30s",
        durations("100ms", "1h"),
        "Pause after the first failed launch, doubled after each further one",
    ),
    ("--launch-retry-max", "5m", durations("100ms", "24h"), "Longest pause between two launches of one claim"),
    (
        "--launch-rest",
        "1h",
        durations("1s", "168h"),
        "Pause between two launches of a claim whose launches failed --launch-attempts times",
    ),
    ("--orphan-grace", "5m", _DAY, "Age of an agent pool without a claim before it is removed"),
)


def command_line() -> argparse.ArgumentParser:
    """The options of the provisioner, with the environment's values for defaults."""
    parser = argparse.ArgumentParser(prog="kaito-provisioner", description="Makes AKS agent pools for node claims.")
    add_common_options(parser)
    _add_azure_options(parser)
    _add_claim_options(parser)
    return parser


def _add_azure_options(parser: argparse.ArgumentParser) -> None:
    """Which cluster of which cloud, as whom, and how often it is read."""
    for flag, variable, what in _AZURE_OPTIONS:
        option(parser, flag, also=variable, required=True, help=what)
    option(
        parser,
        "--azure-location",
        also="LOCATION",
        default="",
        help="Region of the AKS cluster, for zones and messages",
    )
    option(parser, "--azure-cloud", parse=one_of([*Cloud]), default="public", help="public, china or usgov")
    option(parser, "--azure-endpoint", default="", help="Base URL of the resource manager; the cloud's own if absent")
    option(parser, "--azure-ca-file", parse=Path, help="Certificates to trust for Azure; the system's if absent")
    option(
        parser,
        "--azure-credential",
        parse=one_of([*CredentialKind]),
        default="workload-identity",
        help="workload-identity, managed-identity, default, or none (only with --azure-endpoint)",
    )
    option(
        parser,
        "--azure-client-id",
        also="AZURE_CLIENT_ID",
        default="",
        help="Client id of the identity, where a node or pod has several",
    )
    option(parser, "--azure-subnet-id", default="", help="Subnet of the nodes' pools; the cluster's own if absent")
    option(parser, "--azure-tags", parse=parse_tags, default="", help="Azure tags of every pool: name=value,name=value")
    for flag, default, longest, state in (("poll", "5s", "5m", "busy"), ("idle", "5m", "1h", "idle")):
        what = f"Pause between readings of {state} pools"
        option(parser, f"--arm-{flag}-interval", parse=durations("100ms", longest), default=default, help=what)


def _add_claim_options(parser: argparse.ArgumentParser) -> None:
    """What is tried for a claim, how often, and how long each step of its life may take."""
    option(
        parser,
        "--expire-claims",
        parse=boolean,
        default=False,
        help="Delete a claim that is older than its spec.expireAfter, which the CRD of NodeClaims sets to 720h",
    )
    option(
        parser,
        "--pool-limit",
        parse=whole_numbers(1, 1000),
        default="100",
        help="Agent pools AKS allows in the cluster",
    )
    what = "Failed launches after which a claim rests; refusals that cost nothing do not count"
    option(parser, "--launch-attempts", parse=whole_numbers(1, 1000), default="20", help=what)
    option(
        parser,
        "--gpu-replacements",
        parse=whole_numbers(0, MOST_REPLACEMENTS),
        default="1",
        help="Nodes in a row that one Workspace has replaced because their GPUs do not appear in time; 0 for none",
    )
    what = "Claims worked on at the same time"
    option(parser, "--workers", parse=whole_numbers(1, 1000), default="16", help=what)
    for flag, default, within, what in _DEADLINES:
        option(parser, flag, parse=within, default=default, help=what)


def parse_settings(arguments: Sequence[str] | None = None) -> Settings:
    """Settings out of the command line and the environment; ends the process with usage when they are wrong."""
    parser = command_line()
    return _settings(parser, parser.parse_args(arguments))


def _settings(parser: argparse.ArgumentParser, args: argparse.Namespace) -> Settings:
    given: dict[str, Any] = vars(args)
    if given["azure_credential"] == CredentialKind.NONE and not given["azure_endpoint"]:
        parser.error("--azure-credential none: only with --azure-endpoint; Azure itself takes no anonymous request")
    azure = AzureSettings(
        subscription_id=given["azure_subscription_id"],
        resource_group=given["azure_resource_group"],
        cluster_name=given["azure_cluster_name"],
        cloud=Cloud(given["azure_cloud"]),
        endpoint=given["azure_endpoint"],
        ca_file=given["azure_ca_file"],
        credential=CredentialKind(given["azure_credential"]),
        client_id=given["azure_client_id"],
    )
    policy = Policy(
        retry_initial=given["launch_retry_initial"],
        retry_max=given["launch_retry_max"],
        orphan_grace=given["orphan_grace"],
        pool_limit=given["pool_limit"],
        expiry=given["expire_claims"],
        launch_attempts=given["launch_attempts"],
        launch_rest=given["launch_rest"],
        gpu_replacements=given["gpu_replacements"],
        **{name: given[name] for name in given if name.endswith("_deadline") and not name.startswith("leader")},
    )
    return Settings(
        common=CommonOptions.from_args(parser, args),
        azure=azure,
        policy=policy,
        place=Place(given["azure_location"], given["azure_subnet_id"], given["azure_tags"]),
        poll_interval=given["arm_poll_interval"],
        idle_interval=given["arm_idle_interval"],
        workers=given["workers"],
    )
