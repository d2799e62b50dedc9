"""The slices of GPUs."""

import pytest

from controller.catalog.mig import MIG_PROFILES, slices_of


@pytest.mark.parametrize(
    ("name", "memory", "cards"),
    [("1g.5gb", 5, (40,)), ("1g.10gb", 10, (80,)), ("1g.12gb", 12, (94, 96)), ("7g.180gb", 180, (180,))],
)
def test_a_profile_says_its_memory_and_the_gpus_it_is_of(name: str, memory: int, cards: tuple[int, ...]) -> None:
    profile = MIG_PROFILES[name]
    assert (profile.name, profile.memory_gib, profile.cards) == (name, memory, cards)
    assert profile.resource == f"nvidia.com/mig-{name}"


def test_no_slice_is_larger_than_its_gpu() -> None:
    wrong = [each.name for each in MIG_PROFILES.values() if each.memory_gib > min(each.cards)]
    assert not wrong, f"larger than the GPU they are cut from: {wrong}"


def test_slices_of_one_gpu_share_its_memory() -> None:
    """A slice of n sevenths has room for at least n eighths of the memory, which MIG cuts into 8 parts."""
    odd = [
        each.name for each in MIG_PROFILES.values() if 8 * (each.memory_gib + 1) < int(each.name[0]) * min(each.cards)
    ]
    assert not odd, f"smaller than their share: {odd}"


@pytest.mark.parametrize(("reported_mib", "slice_name"), [(143771, "1g.18gb"), (183359, "1g.23gb"), (81559, "1g.10gb")])
def test_a_driver_that_reports_a_little_less_changes_no_slices(reported_mib: int, slice_name: str) -> None:
    assert slice_name in [each.name for each in slices_of(round(reported_mib / 1024))]


def test_gpus_of_other_sizes_are_not_cut() -> None:
    assert slices_of(16.0) == slices_of(None) == ()
