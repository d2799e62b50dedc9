"""The page on conformance names tests that exist, in every row that claims something."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = [
    line
    for line in (ROOT / "docs" / "reference" / "conformance.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and "shown by" not in line
]
NAMED = re.compile(r"`(?P<file>test_\w+)::(?P<test>test_\w+)`")
BY_ITSELF = "as under launch and liveness"


@cache
def names_in(file: str) -> set[str]:
    """Names of the tests in the files of that name, rooms whatever."""
    return {
        found.name
        for path in (ROOT / "tests").rglob(f"{file}.py")
        for found in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:40])
def test_a_row_names_tests_that_exist_or_says_why_there_is_none(row: str) -> None:
    _, _, verdict, shown, _ = row.split("|")
    named = NAMED.findall(shown)
    assert [f"{file}::{test}" for file, test in named if test not in names_in(file)] == []
    assert named or verdict.strip() == "none" or BY_ITSELF in shown, "nothing shows this"
    assert shown.strip(), "neither a test nor a reason"
