from controller.api.reasons import MEANINGS, Actor, Reason


def test_every_reason_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Reason)


def test_reasons_are_words_the_api_server_accepts() -> None:
    odd = [reason for reason in Reason if not reason.isascii() or not reason.isalnum() or not reason[0].isupper()]
    assert not odd, f"condition reasons are CamelCase, these are not: {odd}"


def test_who_must_act_is_told_what_to_do() -> None:
    silent = [reason for reason, meaning in MEANINGS.items() if meaning.actor is Actor.USER and not meaning.fix]
    assert not silent, f"a user who must act needs a fix: {silent}"
