"""The page of reasons: the closed list of words, what each means, and who moves things on."""

from typing import Final

from controller.api.reasons import MEANINGS, Actor, is_waiting, needs_people
from hack.docs.markdown import page, table

_INTRO: Final = """# Reasons

One word for one cause, and the same one in conditions, events, metrics and logs of all programs.

- *who acts*: `user` and `administrator` are people; `kaito` and `cloud` go on by themselves.
- *stalled*: while a Workspace is not ready, its condition `Stalled` holds for these reasons, since nothing goes on
  until people act; for all others its condition `Reconciling` does. Neither holds once it is ready.
- *waiting*: part of every good start, or of what heals when something arrives late; events for it are no warnings.

A claim made by a provisioner other than ours may bring words of its own, which are passed on as they are."""

_ACTORS: Final = {Actor.OPERATOR: "kaito", Actor.NOBODY: "-"}


def reasons_page() -> str:
    """The text of docs/reference/reasons.md."""
    rows = [
        (
            f"`{reason}`",
            meaning.meaning,
            _ACTORS.get(meaning.actor, str(meaning.actor)),
            meaning.fix or "-",
            "stalled" if needs_people(reason) else "waiting" if is_waiting(reason) else "-",
        )
        for reason, meaning in sorted(MEANINGS.items())
    ]
    return page(_INTRO, table(("reason", "what it means", "who acts", "first thing to do", "kind"), rows))
