"""Every reply of the cloud becomes one class of fault, whatever its envelope and however deep the cause is buried."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.reasons import MEANINGS, Reason
from provisioner.errors import REASONS, TEXT_LIMIT, ErrorKind, classify, quota_figures

FAMILY = (
    "Operation could not be completed as it results in exceeding approved standardNCSv3Family Cores quota. Additional "
    "details - Deployment Model: Resource Manager, Location: eastus, Current Limit: 0, Current Usage: 0, Additional "
    "Required: 6, (Minimum) New Limit Required: 6."
)
BUSY = (
    "Operation is not allowed: Another agentpool operation (np1 - Creating) is in progress, please wait for it to "
    "finish before starting a new operation. See https://aka.ms/aks-pending-operation for more details"
)


def flat(code: str, message: str = "text") -> Any:
    """The envelope of the AKS resource provider."""
    return {"code": code, "details": None, "message": message, "subcode": ""}


def wrapped(code: str, message: str = "text") -> Any:
    """The envelope of the resource manager."""
    return {"error": {"code": code, "message": message, "details": [], "additionalInfo": []}}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, flat("ErrCode_InsufficientVCPUQuota", "Insufficient vcpu quota requested 24"), ErrorKind.QUOTA),
        (409, wrapped("OperationNotAllowed", FAMILY), ErrorKind.QUOTA),
        (400, wrapped("QuotaExceeded", "exceeding approved Total Regional Cores quota"), ErrorKind.QUOTA),
        (409, flat("OperationNotAllowed", "exceeding approved LowPriorityCores quota"), ErrorKind.QUOTA),
        (0, flat("SkuNotAvailable"), ErrorKind.SKU),
        (400, flat("VMSizeNotSupported"), ErrorKind.SKU),
        (400, flat("BadRequest", "The VM size of x is not allowed in your subscription in location"), ErrorKind.SKU),
        (0, flat("AllocationFailed"), ErrorKind.CAPACITY),
        (0, flat("ZonalAllocationFailed"), ErrorKind.CAPACITY),
        (0, flat("OverconstrainedAllocationRequest"), ErrorKind.CAPACITY),
        (0, flat("OverconstrainedZonalAllocationRequest"), ErrorKind.CAPACITY),
        (403, wrapped("AuthorizationFailed"), ErrorKind.PERMISSION),
        (401, wrapped("ExpiredAuthenticationToken"), ErrorKind.PERMISSION),
        (403, wrapped("RequestDisallowedByPolicy"), ErrorKind.POLICY),
        (409, wrapped("ScopeLocked"), ErrorKind.POLICY),
        (404, wrapped("ResourceGroupNotFound"), ErrorKind.CLUSTER_NOT_FOUND),
        (404, wrapped("ResourceNotFound"), ErrorKind.CLUSTER_NOT_FOUND),
        (404, flat("NotFound", "Agent Pool not found"), ErrorKind.POOL_NOT_FOUND),
        (409, flat("OperationNotAllowed", BUSY), ErrorKind.CONFLICT),
        (409, flat("Conflict"), ErrorKind.CONFLICT),
        (400, flat("OperationNotAllowed", "managed cluster is in Power State(Stopped)"), ErrorKind.CONFLICT),
        (
            400,
            flat("OperationNotAllowed", "Operation is not allowed while the cluster aks is stopped"),
            ErrorKind.CONFLICT,
        ),
        (400, flat("OperationNotAllowed", "The managed cluster is in a Stopped state."), ErrorKind.CONFLICT),
        (400, flat("BadRequest", "the cluster's powerState: Stopped does not allow this"), ErrorKind.CONFLICT),
        (400, flat("BadRequest", "agent pool np1 is currently stopping"), ErrorKind.CONFLICT),
        (400, flat("ManagedClusterStopped"), ErrorKind.CONFLICT),
        (400, flat("InvalidParameter", "support for this image has been stopped"), ErrorKind.INVALID),
        (409, {**flat("Conflict", "see details"), "details": [flat("OperationNotAllowed", FAMILY)]}, ErrorKind.QUOTA),
        (409, wrapped("Conflict", f"OperationNotAllowed: {FAMILY}"), ErrorKind.QUOTA),
        (
            409,
            {**flat("Conflict"), "details": [flat("OperationNotAllowed", "no words that are known")]},
            ErrorKind.CONFLICT,
        ),
        (400, {**flat("Throttled"), "details": [flat("BadRequest", "sufficient capacity")]}, ErrorKind.CAPACITY),
        (400, {**flat("TooManyRequests"), "details": [flat("BadRequest", BUSY)]}, ErrorKind.THROTTLED),
        (0, {**flat("CreateVMSSAgentPoolFailed"), "details": [flat("Conflict", BUSY)]}, ErrorKind.CONFLICT),
        (0, flat("OperationPreempted", "canceled by a later operation"), ErrorKind.CONFLICT),
        (412, flat("PreconditionFailed"), ErrorKind.EXISTS),
        (400, {"error": "invalid_request", "error_description": "AADSTS70021: no federation"}, ErrorKind.PERMISSION),
        (400, flat("SubnetIsFull"), ErrorKind.SUBNET),
        (400, flat("InsufficientSubnetSize"), ErrorKind.SUBNET),
        (400, flat("MaxAgentPoolCountReached"), ErrorKind.POOL_LIMIT),
        (400, flat("InvalidParameter"), ErrorKind.INVALID),
        (400, flat("PropertyChangeNotAllowed"), ErrorKind.INVALID),
        (0, flat("VMExtensionProvisioningError"), ErrorKind.BOOTSTRAP),
        (0, flat("VMExtensionError_OutboundConnFail"), ErrorKind.BOOTSTRAP),
        (429, flat("Throttled"), ErrorKind.THROTTLED),
        (429, wrapped("OperationNotAllowed", "too many requests"), ErrorKind.THROTTLED),
        (500, flat("InternalServerError"), ErrorKind.UNAVAILABLE),
        (503, wrapped("ServerTimeout"), ErrorKind.UNAVAILABLE),
        (502, None, ErrorKind.UNAVAILABLE),
        (0, flat("SomethingNew", "never seen"), ErrorKind.UNKNOWN),
        (0, None, ErrorKind.UNKNOWN),
    ],
)
def test_each_known_signal_has_its_class(status: int, body: Any, kind: ErrorKind) -> None:
    assert classify(status, body).kind is kind


@pytest.mark.parametrize(
    "body",
    [
        {"code": "CreateVMSSAgentPoolFailed", "message": "wrapper", "details": [flat("SkuNotAvailable", "cause")]},
        {"error": {"code": "DeploymentFailed", "message": "w", "details": [wrapped("SkuNotAvailable", "cause")]}},
        {"code": "ReconcileVMSSAgentPoolFailed", "message": 'VMSS retry failed: Code="SkuNotAvailable" cause'},
        {"properties": {"status": {"provisioningError": flat("SkuNotAvailable", "cause")}}},
        {"error": {"code": "InternalOperationError", "message": "w", "innererror": flat("SkuNotAvailable", "cause")}},
    ],
)
def test_the_innermost_known_code_decides_and_its_words_are_shown(body: Any) -> None:
    fault = classify(0, body)
    assert (fault.kind, fault.code) == (ErrorKind.SKU, "SkuNotAvailable")
    assert "cause" in fault.text, "people need the cause's words, not the wrapper's"


def test_a_bare_404_does_not_prove_that_a_pool_is_gone() -> None:
    assert classify(404, None).kind is ErrorKind.UNAVAILABLE, "it may be a proxy's page"


def test_a_missing_subnet_inside_a_refusal_is_not_a_missing_pool() -> None:
    body = {"code": "BadRequest", "message": "see details", "details": [flat("NotFound", "subnet")]}
    assert classify(400, body).kind is ErrorKind.INVALID


def test_a_passing_fault_keeps_no_words_and_a_lasting_one_loses_what_varies() -> None:
    assert classify(429, flat("Throttled", "retry again in 59 seconds")).steady.text == ""
    lasting = (
        "AADSTS700016: app not found. Trace ID: 0f3c-11aa Correlation ID: 1234abcd Timestamp: 2026-08-21 10:00:00Z"
    )
    assert classify(401, wrapped("x", lasting)).steady.text == "x: AADSTS700016: app not found."


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["code", "message", "details", "error", "status", "properties", "innererror", "x"]), inner
        )
    ),
    max_leaves=30,
)


@given(st.integers(min_value=0, max_value=599), json_values)
def test_any_reply_has_a_class_a_reason_and_a_bounded_text(status: int, body: Any) -> None:
    fault = classify(status, body)
    assert fault.reason in MEANINGS
    assert len(fault.text) <= TEXT_LIMIT


@given(
    st.sampled_from(["QuotaExceeded", "AllocationFailed", "SkuNotAvailable", "SubnetIsFull"]),
    st.integers(min_value=1, max_value=8),
)
def test_wrapping_does_not_change_the_class_of_a_known_code(code: str, depth: int) -> None:
    body: Any = flat(code)
    bare = classify(0, body)
    for _ in range(depth):
        body = {"code": "CreateVMSSAgentPoolFailed", "message": "wrapper", "details": [body]}
    assert classify(0, body).kind is bare.kind


def test_every_kind_has_a_reason() -> None:
    assert set(REASONS) == set(ErrorKind)
    assert all(isinstance(reason, Reason) for reason in REASONS.values())


def test_quota_texts_yield_their_numbers() -> None:
    assert quota_figures(FAMILY) == "standardNCSv3Family quota: 6 vCPU needed, 0 of 0 used"
    precheck = (
        "Insufficient vcpu quota requested 24, remaining 2 for family standardNCADSA100v4Family for region eastus."
    )
    assert quota_figures(precheck) == "standardNCADSA100v4Family quota: 24 vCPU needed, 2 left"
    assert quota_figures("no numbers here") == ""
