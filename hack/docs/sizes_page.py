"""The page of machine sizes: one table per cloud and what is worth knowing of single sizes."""

from typing import Final

from controller.catalog import Catalog, Cloud, Price, Sku, load_catalog
from hack.docs.markdown import notes, number, page, table

_TITLES: Final = {Cloud.AZURE: "Azure", Cloud.AWS: "AWS", Cloud.ARC: "AKS enabled by Azure Arc"}
_PRICED_IN: Final = {Cloud.AZURE: "eastus", Cloud.AWS: "us-east-1", Cloud.ARC: ""}
_INTRO: Final = """# Instance types

Machine sizes with GPUs or other accelerators. Nodes are made in one cloud per installation; sizes of the others are
known by name, so that an error can say what they are. The figures stand in `controller/catalog/data/*_skus.json` and
`prices.json`.

- *GiB*: nominal memory of one visible device, the vendor's GB read as GiB.
- *driver MiB*: what the driver shows for it, where somebody measured it. A program can count on that, or on 93.1 % of
  the nominal figure where nobody did.
- *capability*: CUDA compute capability; bfloat16 needs 8.0.
- *no driver*: AKS, or the node image of the cloud, installs no GPU driver on the size.
- *price*: on-demand list price of one machine and hour in US dollars, Linux, before tax and discounts, with its date.
  No price means that no source has one for that region, not that the size is free or absent there."""


def sizes_page() -> str:
    """The text of docs/reference/instance-types.md."""
    catalog = load_catalog()
    everything = [sku for cloud in Cloud for sku in catalog.listing(cloud)]
    return page(
        _INTRO,
        *(part for cloud in Cloud for part in _cloud(catalog, cloud)),
        "## Notes",
        notes({f"`{sku.name}`": (sku.notes,) for sku in everything if sku.notes}),
    )


def _cloud(catalog: Catalog, cloud: Cloud) -> tuple[str, str]:
    region = _PRICED_IN[cloud]
    skus = catalog.listing(cloud)
    header = ("name", "device", "count", "GiB", "driver MiB", "capability", "vCPU", "memory GiB", "state")
    rows = ((*_row(sku), *((_price(catalog.price(sku, region)),) if region else ())) for sku in skus)
    columns = (*header, f"price in {region}") if region else header
    return f"## {_TITLES[cloud]} ({len(skus)})", table(columns, rows)


def _row(sku: Sku) -> tuple[str, ...]:
    part = f" ({sku.gpu_fraction} of it)" if sku.gpu_fraction else ""
    return (
        f"`{sku.name}`",
        sku.gpu_model + part,
        number(sku.gpu_count or None, 0),
        number(sku.gpu_memory_gib),
        number(sku.gpu_memory_reported_mib, 0),
        "-" if sku.compute_capability is None else f"{sku.compute_capability:.1f}",
        number(sku.vcpu, 0),
        number(sku.memory_gib),
        _state(sku),
    )


def _state(sku: Sku) -> str:
    said = sku.lifecycle.value
    if sku.retirement_date:
        said += f" {sku.retirement_date}"
    if sku.alias_of:
        said += f" of `{sku.alias_of}`"
    return said if sku.driver_installed else f"{said}, no driver"


def _price(price: Price | None) -> str:
    return "-" if price is None else f"{price.usd_per_hour:,.3f} ({price.as_of})"
