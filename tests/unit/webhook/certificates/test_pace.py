"""A bundle that another writer keeps replacing is put back, at a growing distance."""

from controller.runtime.metrics import REGISTRY
from webhook.certificates.pace import FIRST_SECONDS, Pace

BUNDLE = b"ours"


def overwrites() -> float:
    return REGISTRY.get_sample_value("kaito_webhook_bundle_overwrites_total") or 0.0


def test_a_bundle_that_was_never_there_is_published_at_once_and_is_no_overwrite() -> None:
    before = overwrites()
    assert Pace("x", seen=b"older").wait(BUNDLE, 0.0) == 0.0
    assert overwrites() == before


def test_the_first_overwrite_is_repaired_at_once_and_counted() -> None:
    before = overwrites()
    assert Pace("x", seen=BUNDLE).wait(BUNDLE, 0.0) == 0.0
    assert overwrites() == before + 1


def test_a_writer_that_never_tires_is_answered_ever_more_slowly() -> None:
    pace, repairs = Pace("x", seen=BUNDLE), []
    for step in range(60_000):
        now = step / 1000
        if pace.wait(BUNDLE, now) == 0.0:
            repairs.append(now)
    assert repairs[1] >= FIRST_SECONDS
    assert 3 <= len(repairs) <= 7, f"a minute of war must cost few patches, these were at {repairs}"
