"""Every generated page: where it stands and what makes its text."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from hack.docs.api_page import api_page
from hack.docs.conditions_page import conditions_page
from hack.docs.configs_page import configs_page
from hack.docs.differences_page import differences_page
from hack.docs.events_page import events_page
from hack.docs.faults_page import faults_page
from hack.docs.metrics_page import metrics_page
from hack.docs.options_page import options_page
from hack.docs.presets_page import presets_page
from hack.docs.reasons_page import reasons_page
from hack.docs.rules_page import rules_page
from hack.docs.sizes_page import sizes_page
from hack.docs.sizing_page import sizing_page

REPOSITORY: Final = Path(__file__).parent.parent.parent
"""The root of the checkout."""

PAGES: Final[Mapping[str, Callable[[], str]]] = MappingProxyType(
    {
        "docs/reference/admission-rules.md": rules_page,
        "docs/reference/conditions.md": conditions_page,
        "docs/reference/configuration-files.md": configs_page,
        "docs/reference/differences-from-kaito.md": differences_page,
        "docs/reference/events.md": events_page,
        "docs/reference/faults.md": faults_page,
        "docs/reference/instance-types.md": sizes_page,
        "docs/reference/metrics.md": metrics_page,
        "docs/reference/options.md": options_page,
        "docs/reference/presets.md": presets_page,
        "docs/reference/reasons.md": reasons_page,
        "docs/reference/sizing.md": sizing_page,
        "docs/reference/workspace.md": api_page,
    }
)
"""Pages by path in the repository; each function returns the whole text and reads nothing but code and data."""


def stale_pages() -> tuple[str, ...]:
    """The pages that are missing or differ from what is generated now."""
    return tuple(path for path, make in PAGES.items() if _read(path) != make())


def write_pages() -> tuple[str, ...]:
    """Writes the stale pages and returns their paths."""
    stale = stale_pages()
    for path in stale:
        target = REPOSITORY / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(PAGES[path](), encoding="utf-8")
    return stale


def _read(path: str) -> str | None:
    target = REPOSITORY / path
    return target.read_text(encoding="utf-8") if target.exists() else None
