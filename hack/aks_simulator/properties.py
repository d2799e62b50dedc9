"""The properties of an agent pool: types, allowed values, defaults, and which of them never change.

Source: the AKS agent pool reference of api-version 2026-08-01 (Azure/azure-rest-api-specs) and Microsoft Learn.
"""

from dataclasses import dataclass
from typing import Any, Final

from controller.api.json import Json
from hack.aks_simulator.errors import RefusalError, invalid_parameter, property_change


@dataclass(frozen=True, slots=True)
class Property:
    """What AKS takes as the value of one property.

    Attributes:
        kind: `str`, `int`, `number`, `bool`, `map`, `list` or `object`.
        allowed: the words allowed, compared without regard to case; empty for free text.
        low: smallest number.
        high: largest number.
        fixed: cannot change after creation.
        default: what AKS stores when the property is left out; None stores nothing.
    """

    kind: str
    allowed: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    fixed: bool = False
    default: Any = None


READ_ONLY: Final = frozenset({"eTag", "provisioningState", "currentOrchestratorVersion", "nodeImageVersion", "status"})
"""Accepted in a request and ignored."""

_OS_SKUS: Final = (
    "Ubuntu",
    "AzureLinux",
    "AzureLinux3",
    "CBLMariner",
    "Ubuntu2204",
    "Ubuntu2404",
    "AzureContainerLinux",
    "Windows2019",
    "Windows2022",
    "Windows2025",
)

PROPERTIES: Final[dict[str, Property]] = {
    "count": Property("int", low=0, high=1000, default=1),
    "vmSize": Property("str", fixed=True, default="Standard_D4ds_v5"),
    "osDiskSizeGB": Property("int", low=0, high=2048, fixed=True, default=128),
    "osDiskType": Property("str", ("Managed", "Ephemeral"), fixed=True, default="Managed"),
    "kubeletDiskType": Property("str", ("OS", "Temporary"), default="OS"),
    "workloadRuntime": Property("str", ("OCIContainer", "WasmWasi", "KataVmIsolation")),
    "messageOfTheDay": Property("str"),
    "vnetSubnetID": Property("str", fixed=True),
    "podSubnetID": Property("str", fixed=True),
    "podIPAllocationMode": Property("str", ("DynamicIndividual", "StaticBlock"), fixed=True),
    "maxPods": Property("int", low=10, high=250, fixed=True, default=250),
    "osType": Property("str", ("Linux", "Windows"), fixed=True, default="Linux"),
    "osSKU": Property("str", _OS_SKUS, default="Ubuntu"),
    "minCount": Property("int", low=0, high=1000),
    "maxCount": Property("int", low=0, high=1000),
    "enableAutoScaling": Property("bool", default=False),
    "scaleDownMode": Property("str", ("Delete", "Deallocate"), default="Delete"),
    "type": Property(
        "str",
        ("VirtualMachineScaleSets", "AvailabilitySet", "VirtualMachines"),
        fixed=True,
        default="VirtualMachineScaleSets",
    ),
    "mode": Property("str", ("System", "User", "Gateway"), default="User"),
    "orchestratorVersion": Property("str"),
    "upgradeSettings": Property("object", default={"maxSurge": "10%"}),
    "powerState": Property("object", default={"code": "Running"}),
    "availabilityZones": Property("list", ("1", "2", "3"), fixed=True),
    "enableNodePublicIP": Property("bool", default=False),
    "nodePublicIPPrefixID": Property("str"),
    "scaleSetPriority": Property("str", ("Spot", "Regular"), fixed=True),
    "scaleSetEvictionPolicy": Property("str", ("Delete", "Deallocate"), fixed=True),
    "spotMaxPrice": Property("number", low=-1, fixed=True),
    "tags": Property("map"),
    "nodeLabels": Property("map"),
    "nodeTaints": Property("list"),
    "proximityPlacementGroupID": Property("str", fixed=True),
    "hostGroupID": Property("str", fixed=True),
    "capacityReservationGroupID": Property("str", fixed=True),
    "kubeletConfig": Property("object", fixed=True),
    "linuxOSConfig": Property("object", fixed=True),
    "enableEncryptionAtHost": Property("bool", fixed=True, default=False),
    "enableUltraSSD": Property("bool", fixed=True, default=False),
    "enableFIPS": Property("bool", default=False),
    "gpuInstanceProfile": Property("str", ("MIG1g", "MIG2g", "MIG3g", "MIG4g", "MIG7g"), fixed=True),
    "gpuProfile": Property("object"),
    "creationData": Property("object", fixed=True),
    "networkProfile": Property("object"),
    "windowsProfile": Property("object"),
    "gatewayProfile": Property("object"),
    "artifactStreamingProfile": Property("object"),
    "localDNSProfile": Property("object"),
    "securityProfile": Property("object", default={"enableVTPM": False, "enableSecureBoot": False}),
    "virtualMachinesProfile": Property("object"),
    "virtualMachineNodesStatus": Property("list"),
}


def checked_properties(body: Json) -> Json:
    """The writable properties of a request body, each of the right type and within its range.

    Raises:
        RefusalError: 400 naming the first property AKS would not take.
    """
    unknown = sorted(body.keys() - PROPERTIES.keys() - READ_ONLY)
    if unknown:
        raise RefusalError(
            400,
            "UnmarshalError",
            f'UnmarshalEntity encountered error: json: unknown field "{unknown[0]}". '
            "See https://aka.ms/aks/apiversions for the fields of each API version.",
        )
    given = {name: value for name, value in body.items() if name not in READ_ONLY and value is not None}
    return {name: _checked(name, PROPERTIES[name], value) for name, value in given.items()}


def with_defaults(given: Json) -> Json:
    """The properties as AKS stores them: what is left out takes its default, a disk size of 0 the size's own."""
    stored = {name: rule.default for name, rule in PROPERTIES.items() if rule.default is not None} | given
    if stored["osDiskSizeGB"] == 0:
        stored["osDiskSizeGB"] = PROPERTIES["osDiskSizeGB"].default
    if stored.get("scaleSetPriority") == "Regular":
        del stored["scaleSetPriority"]
    if "scaleSetPriority" in stored:
        stored = {"scaleSetEvictionPolicy": "Delete", "spotMaxPrice": -1} | stored
    return stored


def check_unchanged(old: Json, given: Json) -> None:
    """Refuse the change of a fixed property; leaving it out, or a disk size of 0, keeps the old value.

    Raises:
        RefusalError: 400 `PropertyChangeNotAllowed`.
    """
    for name, value in given.items():
        kept = name == "osDiskSizeGB" and value == 0
        if PROPERTIES[name].fixed and not kept and not _same(value, old.get(name)):
            if name == "scaleSetPriority" and value == "Regular" and name not in old:
                continue
            raise property_change(name)


def fixed_properties(old: Json) -> Json:
    """Those properties of a stored pool that an update carries over."""
    return {name: value for name, value in old.items() if PROPERTIES[name].fixed}


def _same(value: Any, other: Any) -> bool:
    if isinstance(value, str) and isinstance(other, str):
        return value.lower() == other.lower()
    return bool(value == other)


def _checked(name: str, rule: Property, value: Any) -> Any:
    if not _is_kind(rule.kind, value):
        raise RefusalError(
            400,
            "UnmarshalError",
            f"UnmarshalEntity encountered error: json: cannot unmarshal {type(value).__name__} into the field "
            f"properties.{name}, which takes a {rule.kind}.",
        )
    _check_range(name, rule, value)
    if rule.allowed and rule.kind == "list":
        return [_word(name, rule, item) for item in value]
    return _word(name, rule, value) if rule.allowed else value


def _is_kind(kind: str, value: Any) -> bool:
    match kind:
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "bool":
            return isinstance(value, bool)
        case "map":
            return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
        case "list":
            return isinstance(value, list)
        case "object":
            return isinstance(value, dict)
        case _:
            return isinstance(value, str)


def _check_range(name: str, rule: Property, value: Any) -> None:
    if rule.low is not None and value < rule.low:
        raise invalid_parameter(name, f"{value} is less than the minimum {rule.low:g}")
    if rule.high is not None and value > rule.high:
        raise invalid_parameter(name, f"{value} is more than the maximum {rule.high:g}")


def _word(name: str, rule: Property, value: Any) -> str:
    for word in rule.allowed:
        if isinstance(value, str) and word.lower() == value.lower():
            return word
    raise invalid_parameter(name, f"{value!r} is none of {', '.join(rule.allowed)}")
