"""Certificates of somebody else: read when they come, replaced when they change, kept when the next one is broken."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from webhook.certificates.issuing import Names, Pair, new_authority, new_leaf, validity
from webhook.certificates.mounted import CERTIFICATE_FILE, KEY_FILE, Mounted

NAMES = Names(("kaito-webhook.kaito-system.svc",))
HOUR = timedelta(hours=1)


def issue(lifetime: timedelta = HOUR, *, at: datetime | None = None) -> Pair:
    moment = at or datetime.now(UTC)
    return new_leaf(new_authority(moment, 240 * HOUR), NAMES, moment, lifetime)


def put(directory: Path, pair: Pair) -> None:
    (directory / CERTIFICATE_FILE).write_bytes(pair.certificate)
    (directory / KEY_FILE).write_bytes(pair.key)


def test_until_the_files_come_the_problem_says_what_is_missing(tmp_path: Path) -> None:
    mounted = Mounted(tmp_path)
    mounted.look()
    assert "no serving certificate yet" in mounted.certificate_problem()
    assert CERTIFICATE_FILE in mounted.certificate_problem()

    put(tmp_path, issue())
    mounted.look()
    assert mounted.certificate_problem() == ""
    assert mounted.serving.ready


def test_a_renewed_pair_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    mounted = Mounted(tmp_path)
    for pair in (issue(), issue(2 * HOUR)):
        put(tmp_path, pair)
        mounted.look()
        assert mounted.serving.validity == validity(pair.certificate)


def test_a_pair_that_does_not_match_leaves_the_one_in_use(tmp_path: Path) -> None:
    """Between the writing of the two files, or by mistake."""
    mounted, good, other = Mounted(tmp_path), issue(), issue(2 * HOUR)
    put(tmp_path, good)
    mounted.look()
    for broken in (Pair(other.certificate, good.key), Pair(b"no certificate", other.key)):
        put(tmp_path, broken)
        mounted.look()
        assert mounted.serving.validity == validity(good.certificate)
        assert mounted.certificate_problem() == "", "what is in use still works"

    put(tmp_path, other)
    mounted.look()
    assert mounted.serving.validity == validity(other.certificate)


def test_an_expired_certificate_is_a_problem(tmp_path: Path) -> None:
    mounted = Mounted(tmp_path)
    put(tmp_path, issue(at=datetime.now(UTC) - 2 * HOUR))
    mounted.look()
    assert mounted.certificate_problem() == "the serving certificate has expired"
