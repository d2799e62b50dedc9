"""What a check of a Workspace found: problems that refuse it, warnings that do not."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeAlias, TypeVar

from controller.api.json import Json
from controller.api.messages import Problem, shorten
from controller.api.reasons import Reason
from controller.api.workspace import Workspace
from controller.catalog import Catalog, Preset, Sku
from controller.planning.admission.strict import POD_TEMPLATE, misfits
from controller.planning.existing_nodes import candidates, sku_for
from controller.planning.node_facts import NodeFacts
from controller.planning.site import Site
from controller.planning.sizing import Use
from controller.planning.uses import use_for

WARNING_LIMIT: Final = 250
"""Characters of the longest warning; the API server cuts at 256."""

MAX_PROBLEMS: Final = 20
"""Problems reported of one manifest; more would bury the first ones."""


_T = TypeVar("_T")
_Answers: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Subject:
    """A Workspace under examination.

    Attributes:
        workspace: its typed view.
        obj: the manifest it came from.
        site: the installation it is judged for.
        old: what it was before the change that is judged; None where none is.
    """

    workspace: Workspace
    obj: Json
    site: Site
    old: Workspace | None = None
    _answers: _Answers = field(init=False, default_factory=dict, compare=False, repr=False)

    @property
    def catalog(self) -> Catalog:
        """Models and sizes to judge it by."""
        return self.site.catalog

    @property
    def auto_provision(self) -> bool:
        """Whether nodes are made for it; otherwise existing ones are used."""
        return self.site.auto_provision

    @property
    def preset(self) -> Preset | None:
        """The preset it names, if the catalogue has it and something of it is left to run."""
        named = self.workspace.preset
        preset = self.catalog.preset(named.name) if named is not None else None
        return preset if preset is not None and preset.runnable else None

    @property
    def sku(self) -> Sku | None:
        """The size of its nodes, cut down to its partition, as far as anybody knows."""
        return self._once("sku", lambda: sku_for(self.workspace, self.site, () if self.auto_provision else self.nodes))

    @property
    def nodes(self) -> tuple[NodeFacts, ...] | None:
        """The existing nodes it can choose from; None where nobody watches nodes."""
        return self._once("nodes", lambda: candidates(self.workspace, self.site))

    @property
    def use(self) -> Use:
        """What it uses its model for."""
        return self._once("use", lambda: use_for(self.workspace, self.site))

    @property
    def template_problems(self) -> tuple[Problem, ...]:
        """What of its pod template cannot be read; nothing where it has none."""
        return self._once("template", lambda: tuple(self._read_template()))

    def _read_template(self) -> Iterator[Problem]:
        inference = self.workspace.inference
        if inference is not None and inference.template is not None:
            yield from misfits(inference.template, POD_TEMPLATE, "inference.template", Reason.TEMPLATE_INVALID)

    def _once(self, key: str, answer: Callable[[], _T]) -> _T:
        """Every rule asks the same questions; each is answered once."""
        if key not in self._answers:
            self._answers[key] = answer()
        found: _T = self._answers[key]
        return found


Finding: TypeAlias = Problem | str
"""A problem, or the text of a warning."""

Check: TypeAlias = Callable[[Subject], Iterable[Finding]]
"""One look at a Workspace; yields what it finds and never raises."""


class Trigger(StrEnum):
    """When a rule is asked."""

    ALWAYS = "create and update"
    CREATE = "create"
    UPDATE = "update"


@dataclass(frozen=True, slots=True)
class Cel:
    """What the API server itself checks of a rule, so that it holds while the webhook is away.

    Attributes:
        path: the node of the schema it stands at, such as `resource` or `inference.adapters[]`; empty for the root.
        expression: CEL over `self`, which is that node, and over `oldSelf` where changes are judged.
        message: what the API server answers, the reason code last and in parentheses.
        field: the field it is about, relative to the node, such as `.count`; empty for the node itself.
    """

    path: str
    expression: str
    message: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table of rules: what is checked, when, and how a refusal is called.

    Attributes:
        name: short and unique, such as `count-range`.
        fields: the fields it is about, for readers.
        says: what must hold, in one sentence for readers.
        reasons: the reason codes it refuses with; empty for a rule that only warns.
        check: finds what breaks it.
        trigger: when it is asked. What a stored object broke already never refuses its update.
        cel: the part of it the API server checks itself; empty where that needs the catalogue or the installation.
    """

    name: str
    fields: tuple[str, ...]
    says: str
    reasons: tuple[Reason, ...]
    check: Check
    trigger: Trigger = Trigger.ALWAYS
    cel: tuple[Cel, ...] = ()


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
