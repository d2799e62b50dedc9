"""The provisioner's own metrics; names under `karpenter_` mean what they mean in kubernetes-sigs/karpenter."""

from typing import Final

from controller.api.reasons import Reason
from controller.runtime.metrics import counter, gauge, histogram
from provisioner.errors import REASONS, ErrorKind

OPERATIONS: Final = ("list", "get", "create", "delete", "abort", "usages")

ACCEPTED: Final = "accepted"
"""How a request for an agent pool ends that is no error."""

PHASES: Final = ("launch", "registration", "initialization")
"""The phases of a claim's life that a condition ends, in their order."""

REFUSABLE: Final = ("claim", "node", "pods")
"""What the API server may refuse to have changed or read."""

CLAIM_STATES: Final = ("pending", "launched", "registered", "ready", "failed", "deleting")

ARM_REQUESTS: Final = counter(
    "kaito_arm_requests_total", "Calls to Azure Resource Manager, by operation and HTTP code.", ("operation", "code")
)
ARM_SECONDS: Final = histogram(
    "kaito_arm_request_duration_seconds",
    "Duration of calls to Azure Resource Manager.",
    ("operation",),
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
CLAIMS: Final = gauge("kaito_claims", "Claims for nodes, by state.", ("state",))
LAUNCH_FAILURES: Final = counter(
    "kaito_claim_launch_failures_total",
    "Launches of agent pools that failed or found no quota, by reason.",
    ("reason",),
)
LAUNCH_ATTEMPTS: Final = counter(
    "kaito_claim_launch_attempts_total",
    "Requests for agent pools, by answer: accepted, or the class of error.",
    ("answer",),
)
REFUSALS: Final = counter(
    "kaito_claim_refused_changes_total",
    "Changes the API server refused for good, by what was to be changed.",
    ("object",),
)
PHASE_SECONDS: Final = histogram(
    "kaito_claim_phase_duration_seconds",
    "How long claims took for launch, registration, initialization and termination.",
    ("phase",),
    buckets=(1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600),
)
ORPHANS: Final = counter("kaito_orphaned_pools_collected_total", "Agent pools removed because no claim was left.")
STRANGERS: Final = gauge(
    "kaito_unclaimed_foreign_pools", "Agent pools with a Workspace's label that this provisioner did not make."
)
POOLS_AGE: Final = gauge("kaito_pools_read_timestamp_seconds", "Unix time at which the agent pools were last read.")
NODES_CREATED: Final = counter("karpenter_nodes_created_total", "Nodes registered for claims.")
NODES_TERMINATED: Final = counter("karpenter_nodes_terminated_total", "Nodes let go after their instance was gone.")
CLAIMS_TERMINATED: Final = {
    plural: counter(f"karpenter_{plural}_terminated_total", f"{plural} let go with nothing left behind.")
    for plural in ("machines", "nodeclaims")
}
NODES_LIFETIME: Final = histogram(
    "karpenter_nodes_lifetime_duration_seconds",
    "How old nodes were when they were let go.",
    buckets=(900, 3600, 14_400, 43_200, 86_400, 259_200, 604_800, 1_209_600, 2_592_000),
)
CLAIMS_TERMINATION: Final = {
    plural: histogram(
        f"karpenter_{plural}_termination_duration_seconds",
        f"From the deletion of {plural} until nothing was left of them.",
        buckets=tuple(2.0**power for power in range(12)),
    )
    for plural in CLAIMS_TERMINATED
}
CLAIMS_DISRUPTED: Final = {
    plural: counter(
        f"karpenter_{plural}_disrupted_total", f"{plural} deleted by the provisioner itself, by reason.", ("reason",)
    )
    for plural in CLAIMS_TERMINATED
}
EVICTIONS: Final = counter("karpenter_nodes_eviction_requests_total", "Evictions of pods, by answer.", ("code",))


def claim_let_go(plural: str, seconds: float) -> None:
    """Nothing is left of a claim, so many seconds after its deletion was asked for."""
    CLAIMS_TERMINATED[plural].inc()
    CLAIMS_TERMINATION[plural].observe(seconds)
    PHASE_SECONDS.labels("termination").observe(seconds)


def node_let_go(seconds: float) -> None:
    """A node of that age was let go."""
    NODES_TERMINATED.inc()
    NODES_LIFETIME.observe(seconds)


for _operation in OPERATIONS:
    ARM_SECONDS.labels(_operation)
    for _code in ("success", "429"):
        ARM_REQUESTS.labels(_operation, _code)
for _state in CLAIM_STATES:
    CLAIMS.labels(_state)
for _reason in sorted(set(REASONS.values())):
    LAUNCH_FAILURES.labels(_reason)
for _class in (ACCEPTED, *sorted(ErrorKind)):
    LAUNCH_ATTEMPTS.labels(_class)
for _phase in (*PHASES, "termination"):
    PHASE_SECONDS.labels(_phase)
for _object in REFUSABLE:
    REFUSALS.labels(_object)
for _answer in ("accepted", "blocked", "deleted", "gone", "failed"):
    EVICTIONS.labels(_answer)
for _counter in CLAIMS_DISRUPTED.values():
    for _cause in (Reason.EXPIRED, Reason.GPUS_NOT_ADVERTISED, Reason.INSTANCE_GONE, Reason.NODE_UNHEALTHY):
        _counter.labels(_cause)
