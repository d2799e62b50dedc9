"""A failure written on a claim is read back as it was; anything else reads as no failure."""

from hypothesis import given
from hypothesis import strategies as st

from controller.api.labels import LAUNCH_FAILURE
from provisioner.errors import ErrorKind
from provisioner.history import Failure, failure_of
from tests.unit.provisioner.builders import claim

words = st.text(alphabet=st.characters(codec="ascii", categories=["L", "N"]), max_size=40)


@given(st.integers(min_value=1, max_value=10**6), st.sampled_from(sorted(ErrorKind)), words, words)
def test_a_failure_survives_the_annotation(attempts: int, kind: ErrorKind, code: str, text: str) -> None:
    failure = Failure(attempts, "2026-08-21T10:00:00Z", kind, "Standard_NC6s_v3", code, text)
    assert failure_of(claim(failure=failure)) == failure


@given(st.text(max_size=60) | st.sampled_from(["null", "[]", "3", "{}", '{"attempts":"x"}', '{"attempts":1e999}']))
def test_an_unreadable_annotation_is_no_failure(text: str) -> None:
    assert failure_of(claim(annotations={LAUNCH_FAILURE: text})) is None


def test_a_long_text_is_cut_so_that_annotations_stay_small() -> None:
    failure = Failure(1, "2026-08-21T10:00:00Z", ErrorKind.UNKNOWN, text="x" * 50_000)
    assert len(failure.as_text()) < 1500
