"""The page of events: what people read under `kubectl describe`, by the object it stands at."""

from collections.abc import Iterable
from typing import Final

from controller.api.conditions import FALSE, Condition
from controller.api.reasons import MEANINGS, Reason
from controller.reconcilers.story import TOLD, severity
from controller.runtime.events import NOTES_LIMIT, NOTES_SECONDS, REFRESH_SECONDS
from hack.docs.events import CLAIM, CONFIG_MAP, DEEDS, WARNING, WORKSPACE
from hack.docs.markdown import page, table

_INTRO: Final = f"""# Events

What happened, told at the object it happened to: `kubectl describe` shows it, and `kubectl events --for
workspace/NAME`. The reason is a word of [the closed list](reasons.md), the note says what was seen. The API server
forgets events after an hour; conditions stay.

Events are of `events.k8s.io/v1`. The same event again becomes a series of one object, refreshed every
{REFRESH_SECONDS:g} s at most. One that differs in its note alone is an event of its own, up to {NOTES_LIMIT} in
{NOTES_SECONDS / 60:g} minutes. `Warning` means that a person, or the cloud, has to act; `Normal` everything else."""

_CHANGES: Final = f"""When the status or the reason of one of these conditions changes, the event carries the
condition's reason, and its note begins with the condition's name: {", ".join(f"`{type_}`" for type_ in TOLD)}.
A cause that several of them share is told once. A condition that is True makes a `Normal` event. One that is not makes
a `Warning` for the reasons below, and a `Normal` event for all others."""

_CLAIMS: Final = """The provisioner tells each change of a condition of a claim with the condition's reason, except what
every launch passes through: what fails is a `Warning`, the rest is `Normal`. Each failed launch is an event of its own,
with the reason of the failure, such as `SubscriptionQuotaReached`, and says which attempt it was and when the next one
is made. Beside these:"""


def events_page() -> str:
    """The text of docs/reference/events.md."""
    return page(
        _INTRO,
        "## Of a Workspace: deeds",
        _deeds(WORKSPACE),
        "## Of a Workspace: changes of conditions",
        _CHANGES,
        table(("reason of a warning", "meaning"), _warnings()),
        "## Of a Machine or NodeClaim",
        _CLAIMS,
        _deeds(CLAIM),
        "## Of the ConfigMap kaito-catalog",
        _deeds(CONFIG_MAP),
    )


def _deeds(about: str) -> str:
    rows = ((f"`{deed.reason}`", deed.type, deed.when) for deed in DEEDS if deed.about == about)
    return table(("reason", "type", "when"), rows)


def _warnings() -> Iterable[tuple[str, str]]:
    found = (reason for reason in Reason if severity(Condition(TOLD[0], FALSE, reason)) == WARNING)
    return ((f"`{reason}`", MEANINGS[reason].meaning) for reason in sorted(found))
