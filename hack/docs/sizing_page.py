"""The page on sizing: how the sum is made."""

from typing import Final

from controller.catalog import Catalog, load_catalog
from controller.planning.sizing import TuningMethod, TuningUse, Use, fit
from hack.docs.markdown import page

_INTRO: Final = """# Does it fit

Memory of the fullest GPU decides: its part of the weights and of the KV cache, adapters, and what the runtime takes,
against the usable memory and the share of it the program is given. Everything is counted in whole bytes. Weights are
split over tensor ranks and pipeline stages, the KV cache over stages and as far as there are KV heads over ranks; the
latent cache of MLA is held by every rank. Layers and heads are not divisible, so the largest part counts.

Where a fact is unknown the figure is an upper bound: a model refused by that alone is let through with a warning."""

_COMPARED: Final = """## Compared with KAITO

Where the number of nodes is not KAITO's, the pair stands in [differences from KAITO](differences-from-kaito.md) with
the reason."""


def sizing_page() -> str:
    """The whole page."""
    catalog = load_catalog()
    return page(_INTRO, _example(catalog), _COMPARED)


def _example(catalog: Catalog) -> str:
    preset, sku = catalog.preset("phi-3-mini-4k-instruct"), catalog.sku("Standard_NC6s_v3")
    if preset is None or sku is None:
        return ""
    uses = (Use(), Use(tuning=TuningUse(TuningMethod.QLORA)))
    sums = (f"```text\n{fit(preset, sku, use).explain()}\n```" for use in uses)
    return "\n\n".join(("## Two sums: served, and tuned with QLoRA", *sums))
