"""The page of admission rules says of every rule what people need, and nothing of the API server that is not so."""

import pytest

from controller.planning.admission.findings import Rule
from controller.planning.admission.validation import RULES
from hack.docs.api_page import constraints
from hack.docs.rules_page import IN_SCHEMA, rules_page

ROWS = {line.split("`")[1]: line for line in rules_page().splitlines() if line.startswith("| `")}


@pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])
def test_a_rule_has_a_row_and_its_reasons_are_explained(rule: Rule) -> None:
    name, says, reasons = rule.name, rule.says, rule.reasons
    assert says in ROWS[name]
    assert says.endswith(".")
    assert all(f"`{reason}`" in ROWS[name] and str(reason) in ROWS for reason in reasons)


def test_no_two_rules_share_a_name() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)


@pytest.mark.parametrize(("name", "paths"), IN_SCHEMA.items(), ids=list(IN_SCHEMA))
def test_what_the_schema_is_said_to_hold_stands_there(name: str, paths: tuple[str, ...]) -> None:
    (rule,) = (each for each in RULES if each.name == name)
    for path in paths:
        assert path in rule.fields
        assert f"schema: `{path.rpartition('.')[2]}` {constraints(path)}" in ROWS[name]
        assert constraints(path), f"the schema asks nothing of {path}"


def test_a_rule_the_api_server_holds_is_marked() -> None:
    assert {name for name, row in ROWS.items() if "CEL" in row} == {rule.name for rule in RULES if rule.cel}
