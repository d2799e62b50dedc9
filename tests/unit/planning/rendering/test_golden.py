"""What is rendered, as files to be reviewed; KAITO_UPDATE_GOLDEN=1 writes them anew."""

import json

import pytest
import yaml

from tests.system.golden import FOLDER, compare
from tests.unit.planning.rendering.cases import CASES, objects


class Plain(yaml.SafeDumper):
    """Writes YAML to be read by people, scripts line by line."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Plain.add_representer(str, _text)


@pytest.mark.parametrize("name", CASES)
def test_what_is_rendered_is_what_was_reviewed(name: str) -> None:
    unshared = json.loads(json.dumps(objects(name)))  # parts that several objects share would be written by reference
    compare(f"workloads/{name}.yaml", yaml.dump_all(unshared, Dumper=Plain, sort_keys=True, width=120))


def test_no_file_is_left_of_a_case_that_is_gone() -> None:
    assert {path.stem for path in (FOLDER / "workloads").iterdir()} == CASES.keys()
