"""For every alert situations in which it fires, each with one much like it in which it does not.

Values are in promtool's notation, one a minute: `1x30` stays 1 for half an hour, `0+6x30` grows by 6 a minute. Time
begins at 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

WEBHOOK: Final = 'job="kaito-webhook",pod="w-0"'
CONTROLLER: Final = 'job="kaito-controller",pod="c-0"'
PROVISIONER: Final = 'job="kaito-provisioner",pod="p-0"'
PHI: Final = 'workspace_namespace="ml",workspace_name="phi"'
PHI_LABELS: Final = {"workspace_namespace": "ml", "workspace_name": "phi"}
REQUESTS: Final = "controller_runtime_webhook_requests_total"
LATENCY: Final = "controller_runtime_webhook_latency_seconds_bucket"
EXPIRY: Final = "kaito_webhook_certificate_expiry_timestamp_seconds"
SINCE: Final = "kaito_workspace_condition_since_timestamp_seconds"
LEADER: Final = "leader_election_master_status"


@dataclass(frozen=True, slots=True)
class Case:
    """One alert and two situations.

    Attributes:
        alert: its name.
        at: when it is looked at, in promtool's notation.
        fires: series by which it fires.
        quiet: series by which it does not.
        summary: what people read, with every figure filled in.
        labels: of the alert, beside its severity.
    """

    alert: str
    at: str
    fires: Mapping[str, str]
    quiet: Mapping[str, str]
    summary: str
    labels: Mapping[str, str] = field(default_factory=dict)


def held(condition: str, status: str, reason: str) -> str:
    """The series of a condition of the Workspace."""
    return f'{SINCE}{{{CONTROLLER},{PHI},condition="{condition}",status="{status}",reason="{reason}"}}'


CASES: Final = (
    Case(
        "KaitoWebhookDown",
        "5m",
        {f"up{{{WEBHOOK}}}": "1 0x20", 'up{job="kaito-webhook",pod="w-1"}': "1 0x20"},
        {f"up{{{WEBHOOK}}}": "1 0x20", 'up{job="kaito-webhook",pod="w-1"}': "1x20"},
        "No replica of kaito-webhook answers.",
    ),
    Case(
        "KaitoControllerDown",
        "10m",
        {f"up{{{WEBHOOK}}}": "1x20"},
        {f"up{{{CONTROLLER}}}": "1x20"},
        "No replica of kaito-controller answers.",
    ),
    Case(
        "KaitoProvisionerDown",
        "10m",
        {f"up{{{PROVISIONER}}}": "0x20"},
        {f"up{{{PROVISIONER}}}": "1x20"},
        "No replica of kaito-provisioner answers.",
    ),
    Case(
        "KaitoNoLeader",
        "5m",
        {
            f'{LEADER}{{name="kaito-controller",pod="a"}}': "0x20",
            f'{LEADER}{{name="kaito-controller",pod="b"}}': "0x20",
        },
        {
            f'{LEADER}{{name="kaito-controller",pod="a"}}': "0x20",
            f'{LEADER}{{name="kaito-controller",pod="b"}}': "1x20",
        },
        "No replica of kaito-controller leads.",
        {"name": "kaito-controller"},
    ),
    Case(
        "KaitoReconcileErrors",
        "30m",
        {
            f'controller_runtime_reconcile_errors_total{{{CONTROLLER},controller="workspace"}}': "0+30x40",
            f'controller_runtime_reconcile_total{{{CONTROLLER},controller="workspace",result="error"}}': "0+30x40",
            f'controller_runtime_reconcile_total{{{CONTROLLER},controller="workspace",result="success"}}': "0+30x40",
        },
        {
            f'controller_runtime_reconcile_errors_total{{{CONTROLLER},controller="workspace"}}': "0+3x40",
            f'controller_runtime_reconcile_total{{{CONTROLLER},controller="workspace",result="error"}}': "0+3x40",
            f'controller_runtime_reconcile_total{{{CONTROLLER},controller="workspace",result="success"}}': "0+30x40",
        },
        "50% of the reconciliations of workspace fail.",
        {"job": "kaito-controller", "controller": "workspace"},
    ),
    Case(
        "KaitoPanics",
        "10m",
        {
            f'controller_runtime_reconcile_panics_total{{{CONTROLLER},controller="workspace"}}': "0x5 1x20",
            f"controller_runtime_webhook_panics_total{{{CONTROLLER}}}": "0x25",
        },
        {
            f'controller_runtime_reconcile_panics_total{{{CONTROLLER},controller="workspace"}}': "1x25",
            f"controller_runtime_webhook_panics_total{{{CONTROLLER}}}": "0x25",
        },
        "kaito-controller met an error it does not know.",
        {"job": "kaito-controller"},
    ),
    Case(
        "KaitoPanics",
        "10m",
        {f"controller_runtime_webhook_panics_total{{{WEBHOOK}}}": "0x5 1x20"},
        {f"controller_runtime_webhook_panics_total{{{WEBHOOK}}}": "1x25"},
        "kaito-webhook met an error it does not know.",
        {"job": "kaito-webhook"},
    ),
    Case(
        "KaitoQueueBacklog",
        "20m",
        {
            f'workqueue_depth{{{CONTROLLER},name="workspace",priority="0"}}': "90x30",
            f'workqueue_depth{{{CONTROLLER},name="workspace",priority="-100"}}': "20x30",
        },
        {f'workqueue_depth{{{CONTROLLER},name="workspace",priority="0"}}': "5000x9 3x20"},
        "The work queue workspace of kaito-controller does not empty.",
        {"job": "kaito-controller", "name": "workspace"},
    ),
    Case(
        "KaitoApiRequestsFailing",
        "30m",
        {
            f'rest_client_requests_total{{{CONTROLLER},code="200"}}': "0+30x40",
            f'rest_client_requests_total{{{CONTROLLER},code="<error>"}}': "0+5x40",
            f'rest_client_requests_total{{{CONTROLLER},code="503"}}': "0+5x40",
        },
        {
            f'rest_client_requests_total{{{CONTROLLER},code="200"}}': "0+30x40",
            f'rest_client_requests_total{{{CONTROLLER},code="409"}}': "0+10x40",
        },
        "25% of the requests of kaito-controller to the API server fail.",
        {"job": "kaito-controller"},
    ),
    Case(
        "KaitoEventLoopBlocked",
        "15m",
        {f"kaito_event_loop_lag_seconds{{{WEBHOOK}}}": "3x20"},
        {f"kaito_event_loop_lag_seconds{{{WEBHOOK}}}": "9 0.01x20"},
        "Timers of w-0 fire 3s late.",
        {"job": "kaito-webhook", "pod": "w-0"},
    ),
    Case(
        "KaitoCatalogOverrideProblems",
        "10m",
        {
            f'kaito_catalog_override_problems{{{WEBHOOK},document="presets.yaml"}}': "2x20",
            f'kaito_catalog_override_problems{{{CONTROLLER},document="presets.yaml"}}': "2x20",
        },
        {f'kaito_catalog_override_problems{{{WEBHOOK},document="presets.yaml"}}': "2x4 0x20"},
        "Entries of presets.yaml in the ConfigMap kaito-catalog are left out: 2.",
        {"document": "presets.yaml"},
    ),
    Case(
        "KaitoWebhookErrorsHigh",
        "15m",
        {f'{REQUESTS}{{{WEBHOOK},code="200"}}': "0+95x20", f'{REQUESTS}{{{WEBHOOK},code="503"}}': "0+5x20"},
        {f'{REQUESTS}{{{WEBHOOK},code="200"}}': "0+95x20", f'{REQUESTS}{{{WEBHOOK},code="400"}}': "0+5x20"},
        "5% of the admission requests end with a fault of the webhook.",
    ),
    Case(
        "KaitoWebhookLatencyHigh",
        "20m",
        {
            f'{LATENCY}{{{WEBHOOK},webhook="/v",le="1"}}': "0+9x30",
            f'{LATENCY}{{{WEBHOOK},webhook="/v",le="10"}}': "0+10x30",
            f'{LATENCY}{{{WEBHOOK},webhook="/v",le="+Inf"}}': "0+10x30",
        },
        {
            f'{LATENCY}{{{WEBHOOK},webhook="/v",le="1"}}': "0+10x30",
            f'{LATENCY}{{{WEBHOOK},webhook="/v",le="10"}}': "0+10x30",
            f'{LATENCY}{{{WEBHOOK},webhook="/v",le="+Inf"}}': "0+10x30",
        },
        "One in a hundred admission requests takes longer than 9.1s.",
    ),
    Case(
        "KaitoCertificateExpiresSoon",
        "10m",
        {
            f'{EXPIRY}{{{WEBHOOK},certificate="leaf"}}': "7800x20",
            f'{EXPIRY}{{{WEBHOOK},certificate="authority"}}': "20000000x20",
        },
        {
            f'{EXPIRY}{{{WEBHOOK},certificate="leaf"}}': "86400x20",
            f'{EXPIRY}{{{WEBHOOK},certificate="authority"}}': "20000000x20",
        },
        "The webhook's leaf certificate expires in 2h 0m 0s.",
        {"certificate": "leaf"},
    ),
    Case(
        "KaitoWorkspaceStalled",
        "40m",
        {
            held("WorkspaceReady", "False", "ImagePullFailed"): "60x60",
        },
        {
            held("WorkspaceReady", "False", "NodesPending"): ("60x20 _x40"),
            held("WorkspaceReady", "False", "PodsPending"): ("_x20 60x40"),
        },
        "Workspace ml/phi has waited for the same thing for 30 minutes: ImagePullFailed.",
        {**PHI_LABELS, "reason": "ImagePullFailed"},
    ),
    Case(
        "KaitoWorkspaceNotReadyLong",
        "3h",
        {held("WorkspaceReady", "False", "PodsPending"): "0x200"},
        {
            held("WorkspaceReady", "False", "TrainingRunning"): "0x200",
            held("InferenceReady", "False", "PodsPending"): "0x200",
        },
        "Workspace ml/phi has not been ready for 3h 0m 0s.",
        PHI_LABELS,
    ),
    Case(
        "KaitoWorkspaceUnseen",
        "20m",
        {f"kaito_workspace_created_timestamp_seconds{{{CONTROLLER},{PHI}}}": "0x30"},
        {
            f"kaito_workspace_created_timestamp_seconds{{{CONTROLLER},{PHI}}}": "0x30",
            held("Ready", "False", "NodesPending"): "1x30",
        },
        "Workspace ml/phi has no conditions yet.",
        PHI_LABELS,
    ),
    Case(
        "KaitoWorkspaceDeletionStuck",
        "40m",
        {held("WorkspaceDeleting", "True", "WorkspaceDeleting"): "0x60"},
        {held("Ready", "False", "WorkspaceDeleting"): "0x60"},
        "Workspace ml/phi has been going away for 40m 0s.",
        PHI_LABELS,
    ),
    Case(
        "KaitoMachineLaunchFailing",
        "30m",
        {f'kaito_claim_launch_failures_total{{{PROVISIONER},reason="SubscriptionQuotaReached"}}': "0x9 1x4 2x4 3x20"},
        {f'kaito_claim_launch_failures_total{{{PROVISIONER},reason="SubscriptionQuotaReached"}}': "0x9 1x30"},
        "Agent pools cannot be made: SubscriptionQuotaReached.",
        {"reason": "SubscriptionQuotaReached"},
    ),
    Case(
        "KaitoArmThrottled",
        "30m",
        {f'kaito_arm_requests_total{{{PROVISIONER},operation="list",code="429"}}': "0+1x40"},
        {
            f'kaito_arm_requests_total{{{PROVISIONER},operation="list",code="429"}}': "7x40",
            f'kaito_arm_requests_total{{{PROVISIONER},operation="list",code="success"}}': "0+15x40",
        },
        "Azure Resource Manager throttles the operation list.",
        {"operation": "list"},
    ),
    Case(
        "KaitoArmFailing",
        "30m",
        {
            f'kaito_arm_requests_total{{{PROVISIONER},operation="list",code="success"}}': "0+6x40",
            f'kaito_arm_requests_total{{{PROVISIONER},operation="list",code="500"}}': "0+2x40",
            f'kaito_arm_requests_total{{{PROVISIONER},operation="get",code="connection"}}': "0+2x40",
        },
        {
            f'kaito_arm_requests_total{{{PROVISIONER},operation="list",code="success"}}': "0+6x40",
            f'kaito_arm_requests_total{{{PROVISIONER},operation="get",code="404"}}': "0+4x40",
        },
        "40% of the calls to Azure Resource Manager fail.",
    ),
    Case(
        "KaitoPoolsUnread",
        "30m",
        {
            f"kaito_pools_read_timestamp_seconds{{{PROVISIONER}}}": "60x40",
            f'{LEADER}{{{PROVISIONER},name="kaito-provisioner"}}': "1x40",
        },
        {
            f"kaito_pools_read_timestamp_seconds{{{PROVISIONER}}}": "0+60x40",
            f'{LEADER}{{{PROVISIONER},name="kaito-provisioner"}}': "1x40",
        },
        "The list of agent pools was last read 29m 0s ago.",
    ),
    Case(
        "KaitoOrphanPools",
        "40m",
        {
            f"kaito_unclaimed_foreign_pools{{{PROVISIONER}}}": "3x60",
            'kaito_unclaimed_foreign_pools{job="kaito-provisioner",pod="p-1"}': "0x60",
        },
        {f"kaito_unclaimed_foreign_pools{{{PROVISIONER}}}": "0x5 3x10 0x60"},
        "Agent pools that carry a Workspace's label and that no claim of ours stands for: 3.",
    ),
)
