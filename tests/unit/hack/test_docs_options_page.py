"""The page of options says what the command lines declare."""

import argparse

import pytest

from controller.runtime.options import boolean, option
from hack.docs.options_page import COMMAND_LINES, Option, options_of, options_page


def test_an_option_is_read_with_its_variables_default_and_meaning() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    option(parser, "--grace", default="20s", help="How long, at most (50 % of it)")
    option(parser, "--name", also="POD_NAME", required=True, help="The pod's name")
    option(parser, "--work", parse=boolean, default=True, help="Whether to work")
    assert list(options_of(parser)) == [
        Option(("--grace",), ("KAITO_GRACE",), "20s", "How long, at most (50 % of it)", required=False),
        Option(("--name",), ("KAITO_NAME", "POD_NAME"), "", "The pod's name", required=True),
        Option(("--work", "--no-work"), ("KAITO_WORK",), "true", "Whether to work", required=False),
    ]


def test_an_option_that_does_not_say_where_else_it_is_told_is_no_option_of_ours() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--secret-way", help="Something")
    with pytest.raises(ValueError, match="--secret-way"):
        list(options_of(parser))


@pytest.mark.parametrize("program", list(COMMAND_LINES))
def test_every_option_of_a_program_is_on_the_page(program: str) -> None:
    text = options_page()
    missing = [each.flags[0] for each in options_of(COMMAND_LINES[program]()) if f"| `{each.flags[0]}` |" not in text]
    assert not missing
