"""What a Machine asks of its kubelet, as far as an agent pool can give it; the rest is refused, never ignored.

Property names: AKS REST reference, agent pools (`maxPods`, `kubeletConfig`).
"""

from collections.abc import Mapping
from typing import Any, Final

from controller.api.claims import Claim
from controller.api.json import Json
from controller.api.messages import quote

_MAX_PODS: Final = (10, 250)
_PERCENT: Final = (0, 100)
_THRESHOLDS: Final[Mapping[str, str]] = {
    "imageGCHighThresholdPercent": "imageGcHighThreshold",
    "imageGCLowThresholdPercent": "imageGcLowThreshold",
}
_RUNTIME: Final = "containerd"
_FIELD: Final = "spec.kubelet"


class WishError(ValueError):
    """A field of a claim that no agent pool can fulfil; the text names field and value."""


def kubelet_properties(claim: Claim) -> Json:
    """The properties of an agent pool whose kubelet is as the claim asks; none where it asks nothing.

    Raises:
        WishError: a field, or a value, that AKS does not take.
    """
    properties: Json = {}
    config: Json = {}
    for name, value in claim.kubelet.items():
        match name:
            case "maxPods":
                properties["maxPods"] = _number(name, value, _MAX_PODS)
            case "imageGCHighThresholdPercent" | "imageGCLowThresholdPercent":
                config[_THRESHOLDS[name]] = _number(name, value, _PERCENT)
            case "cpuCFSQuota":
                config["cpuCfsQuota"] = bool(value)
            case "containerRuntime" if value == _RUNTIME:
                continue
            case _:
                raise WishError(f"{_FIELD}.{name} {quote(str(value), 63)}: AKS lets nobody set it on an agent pool")
    return {**properties, **({"kubeletConfig": config} if config else {})}


def _number(name: str, value: Any, limits: tuple[int, int]) -> int:
    low, high = limits
    if not isinstance(value, int) or not low <= value <= high:
        raise WishError(f"{_FIELD}.{name} {quote(str(value), 63)} is not between {low} and {high}, as AKS wants it")
    return value
