"""What the API server refuses itself, the table of rules refuses too, for the same reason."""

from dataclasses import replace

import pytest

from controller.api.json import Json
from controller.api.messages import TEXT_LIMIT, Problem
from controller.api.workspace import parse_workspace
from controller.planning.admission.findings import Cel, Rule, Subject, Trigger
from controller.planning.site import Site
from tests.unit.planning.admission.cel_cases import Case, located, shown

SHOWN = [pytest.param(case, rule, cel, id=f"{case.rule} {located(cel)}".strip()) for case, rule, cel in shown()]
SITES = (Site(), replace(Site(), auto_provision=False))


def refusals(rule: Rule, obj: Json, before: Json | None, site: Site) -> list[Problem]:
    """What the rule finds in a manifest."""
    old = None if before is None else parse_workspace(before)
    found = rule.check(Subject(parse_workspace(obj), obj, site, old))
    return [finding for finding in found if isinstance(finding, Problem)]


@pytest.mark.parametrize("site", SITES, ids=["nodes are made", "nodes exist"])
@pytest.mark.parametrize(("case", "rule", "cel"), SHOWN)
def test_both_refuse_with_one_reason(case: Case, rule: Rule, cel: Cel, site: Site) -> None:
    reasons = {str(problem.reason) for problem in refusals(rule, case.refused, case.before, site)}
    assert cel.message.rpartition("(")[2].rstrip(")") in reasons


@pytest.mark.parametrize(("case", "rule", "cel"), SHOWN)
def test_both_accept(case: Case, rule: Rule, cel: Cel) -> None:
    found = [refusals(rule, case.accepted, case.before, site) for site in SITES]
    assert [] in found, f"{located(cel)}: {found}"


@pytest.mark.parametrize(("case", "rule", "cel"), SHOWN)
def test_a_rule_about_changes_is_asked_on_updates(case: Case, rule: Rule, cel: Cel) -> None:
    assert ("oldSelf" in cel.expression) == (case.before is not None) == (rule.trigger is Trigger.UPDATE)
    assert len(cel.message) < TEXT_LIMIT
