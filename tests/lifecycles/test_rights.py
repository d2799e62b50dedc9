"""The shipped roles against what all these lives used of them, as the API server's audit log tells it."""

from hack.devcluster.layout import Layout
from tests.lifecycles.lives import Life
from tests.manifests.building import build
from tests.manifests.rights import asked, forbidden, idle
from tests.manifests.unused import UNUSED


def test_nothing_was_asked_for_that_the_roles_do_not_allow(layout: Layout, lives: dict[str, Life]) -> None:
    requests = asked(layout.audit_log)
    assert requests, "the audit log tells of no request"
    assert forbidden(requests) == []


def test_every_right_was_used_or_is_known_to_be_for_other_times(layout: Layout, lives: dict[str, Life]) -> None:
    unused = [right for right in idle(build("base"), asked(layout.audit_log)) if right.short not in UNUSED]
    assert not unused, "take these rights away, or say in tests/manifests/unused.py what they are for:\n" + "\n".join(
        map(str, unused)
    )


def test_exceptions_name_rights_that_are_granted() -> None:
    granted = {right.short for right in idle(build("base"), [])}
    assert set(UNUSED) <= granted, "exceptions for rights nobody has"
