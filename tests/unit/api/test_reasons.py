import re
from pathlib import Path

from controller.api.reasons import MEANINGS, Actor, Reason, is_waiting, needs_people


def test_every_reason_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Reason)


def test_every_reason_is_written_by_some_program() -> None:
    root = Path(__file__).parents[3]
    code = [path for program in ("controller", "webhook", "provisioner") for path in (root / program).rglob("*.py")]
    text = "".join(path.read_text(encoding="utf-8") for path in code if path.name != "reasons.py")
    unused = [reason.name for reason in Reason if not re.search(rf"Reason\.{reason.name}\b", text)]
    assert not unused, f"listed, documented, and never said: {unused}"


def test_reasons_are_words_the_api_server_accepts() -> None:
    odd = [reason for reason in Reason if not reason.isascii() or not reason.isalnum() or not reason[0].isupper()]
    assert not odd, f"condition reasons are CamelCase, these are not: {odd}"


def test_who_must_act_is_told_what_to_do() -> None:
    silent = [reason for reason, meaning in MEANINGS.items() if meaning.actor is Actor.USER and not meaning.fix]
    assert not silent, f"a user who must act needs a fix: {silent}"


def test_people_are_called_only_for_what_neither_time_nor_we_can_mend() -> None:
    called = {reason for reason in Reason if needs_people(reason)}
    assert {MEANINGS[reason].actor for reason in called} == {Actor.USER, Actor.ADMINISTRATOR}
    assert not [reason for reason in called if is_waiting(reason)]
    assert {Reason.QUOTA_EXCEEDED, Reason.IMAGE_PULL_FAILED, Reason.PRESET_UNKNOWN} <= called
    assert not needs_people("WordsOfAnotherProvisioner")
