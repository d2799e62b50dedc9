"""What is rendered, as files to be reviewed; KAITO_UPDATE_GOLDEN=1 writes them anew."""

import pytest

from tests.system.golden import FOLDER, compare
from tests.unit.planning.rendering.cases import CASES, objects
from tests.unit.planning.rendering.portrait import write


@pytest.mark.parametrize("name", CASES)
def test_what_is_rendered_is_what_was_reviewed(name: str) -> None:
    compare(f"workloads/{name}.yaml", write(objects(name), several=True))


def test_no_file_is_left_of_a_case_that_is_gone() -> None:
    assert {path.stem for path in (FOLDER / "workloads").glob("*.yaml")} == CASES.keys()
