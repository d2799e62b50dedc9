"""The fields of pods kept as data are those of the client that is installed."""

from hack.pod_types import FILE, render


def test_the_file_is_current() -> None:
    assert FILE.read_text(encoding="utf-8") == render(), "run python -m hack.pod_types"
