"""Azure's refusals: codes, texts and envelopes, as the public AKS and ARM documentation and provider code know them."""

from dataclasses import dataclass
from typing import Literal

from controller.api.json import Json
from hack.aks_simulator.values import Detail

Envelope = Literal["flat", "error", "html", "empty"]


class RefusalError(Exception):
    """The request is answered with an Azure error; nothing of the state has changed.

    `flat` is the resource provider's envelope, `error` the one of the ARM front door and of operations.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        envelope: Envelope = "flat",
        retry_after: int | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.envelope = envelope
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Cause:
    """A failure Azure's compute layer reports inside an operation: its code and text."""

    code: str
    message: str


def detail_body(detail: Detail) -> Json:
    """An ErrorDetail as JSON."""
    body: Json = {"code": detail.code, "message": detail.message}
    if detail.details:
        body["details"] = [detail_body(inner) for inner in detail.details]
    return body


def refusal_body(refusal: RefusalError) -> Json | str:
    """The reply body in the refusal's envelope: JSON, or text for proxies that answer in HTML or not at all."""
    match refusal.envelope:
        case "flat":
            return {"code": refusal.code, "details": None, "message": refusal.message, "subcode": ""}
        case "error":
            return {"error": {"code": refusal.code, "message": refusal.message, "details": [], "additionalInfo": []}}
        case "html":
            return f"<html><head><title>{refusal.status}</title></head><body><h2>{refusal.message}</h2></body></html>"
        case "empty":
            return ""


def arm(status: int, code: str, message: str) -> RefusalError:
    """A refusal by the ARM front door."""
    return RefusalError(status, code, message, envelope="error")


def pool_not_found() -> RefusalError:
    """The cluster has no such pool."""
    return RefusalError(404, "NotFound", "Agent Pool not found")


def invalid_parameter(name: str, why: str) -> RefusalError:
    """A property of the pool has a value AKS does not take."""
    message = f"The value of parameter agentPoolProfile.{name} is invalid. Error details: {why}."
    return RefusalError(400, "InvalidParameter", message)


def property_change(name: str) -> RefusalError:
    """An immutable property would change."""
    return RefusalError(400, "PropertyChangeNotAllowed", f"Changing property 'properties.{name}' is not allowed.")


def precondition_failed(etag: str) -> RefusalError:
    """A conditional header does not hold."""
    message = f"The condition in the request headers does not hold; the current eTag of the agent pool is '{etag}'."
    return RefusalError(412, "PreconditionFailed", message)


def busy(pool: str, verb: str) -> RefusalError:
    """Another operation runs where only one may."""
    message = (
        f"Operation is not allowed: Another agentpool operation ({pool} - {verb}) is in progress, please wait for it "
        "to finish before starting a new operation. See https://aka.ms/aks-pending-operation for more details"
    )
    return RefusalError(409, "OperationNotAllowed", message)


def power_state(power: str, deed: str) -> RefusalError:
    """The whole cluster is stopped, or runs already; the words are those AKS refuses to stop a stopped cluster with."""
    message = (
        f"managed cluster is in Provisioning State(Succeeded) and Power State({power}), {deed} cannot be performed"
    )
    return RefusalError(400, "OperationNotAllowed", message)


def size_not_supported(size: str, subscription: str, location: str) -> RefusalError:
    """The region does not offer the VM size, or no longer."""
    message = (
        f"Virtual Machine size: '{size}' is not supported for subscription {subscription} in location '{location}'. "
        "Choose a size the location offers."
    )
    return RefusalError(400, "VMSizeNotSupported", message)


def throttled(subscription: str, handler: str, seconds: int) -> RefusalError:
    """A token bucket is empty."""
    message = (
        f"The {handler} request limit has been exceeded for SubID='{subscription}', "
        f"please retry again in {seconds} seconds."
    )
    return RefusalError(429, "Throttled", message, retry_after=seconds)


def wrapped(wrapper: str, cause: Cause) -> Detail:
    """A compute failure as AKS hands it on: named in the text and repeated among the details."""
    message = f'VMSSAgentPoolReconciler retry failed: Code="{cause.code}" Message="{cause.message}"'
    return Detail(wrapper, message, (Detail(cause.code, cause.message),))
