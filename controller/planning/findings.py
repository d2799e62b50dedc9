"""What a check of a Workspace found: problems that refuse it, warnings that do not."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from controller.api.json import Json
from controller.api.messages import Problem, shorten
from controller.api.workspace import Workspace
from controller.catalog import Catalog, Preset, Sku

WARNING_LIMIT: Final = 250
"""Characters of the longest warning; the API server cuts at 256."""

MAX_PROBLEMS: Final = 20
"""Problems reported of one manifest; more would bury the first ones."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A Workspace under examination.

    Attributes:
        workspace: its typed view.
        obj: the manifest it came from.
        catalog: models and sizes to judge it by.
        auto_provision: whether nodes are made for it; otherwise existing ones are used.
    """

    workspace: Workspace
    obj: Json
    catalog: Catalog
    auto_provision: bool

    @property
    def preset(self) -> Preset | None:
        """The preset it names, if the catalogue has it and something of it is left to run."""
        inference = self.workspace.inference
        preset = self.catalog.preset(inference.preset.name) if inference and inference.preset else None
        return preset if preset is not None and preset.runnable else None

    @property
    def sku(self) -> Sku | None:
        """The size it names, if the catalogue has it in the installation's cloud and under a deployable name."""
        sku = self.catalog.skus.get(self.workspace.resource.instance_type.strip().lower())
        return None if sku is None or sku.alias_of else sku


Finding: TypeAlias = Problem | str
"""A problem, or the text of a warning."""

Rule: TypeAlias = Callable[[Subject], Iterable[Finding]]
"""One check; yields what it finds and never raises."""


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything found in one manifest.

    Attributes:
        problems: what refuses it, in the order of the manifest's fields.
        warnings: what the user should know all the same.
    """

    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()


def collect(findings: Iterable[Finding]) -> Findings:
    """Sorts findings into problems and warnings, repetitions dropped.

    Nothing is asked for beyond the last problem that is shown, however much more there is to find.
    """
    problems: dict[Problem, None] = {}
    warnings: dict[str, None] = {}
    for finding in findings:
        if isinstance(finding, str):
            warnings[shorten(finding, WARNING_LIMIT)] = None
            continue
        problems[finding] = None
        if len(problems) == MAX_PROBLEMS:
            break
    return Findings(tuple(problems), tuple(warnings))
