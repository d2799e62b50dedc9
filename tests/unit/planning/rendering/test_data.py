import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.json import Json
from controller.planning.rendering.data import common_path, file_names
from controller.planning.rendering.parts import literal
from controller.planning.target import Training
from tests.unit.planning.rendering.kit import pod, rendered, target_of, tuned
from tests.unit.planning.rendering.test_training import document


def urls(*names: str) -> tuple[str, ...]:
    return tuple(f"https://data.example.com/{name}" for name in names)


@pytest.mark.parametrize(
    ("written", "names"),
    [
        (("x/data.parquet?sig=/1", "data.parquet", ""), ("data.parquet", "2-data.parquet", "data")),
        (("3-x", "x", "x"), ("3-x", "x", "3-3-x")),
        (("..", "a%20b;rm -rf.csv#c", "$(reboot).json"), ("data", "a_20b_rm_-rf.csv", "_reboot_.json")),
    ],
)
def test_files_are_named_as_in_their_addresses_and_none_overwrites_another(
    written: tuple[str, ...], names: tuple[str, ...]
) -> None:
    assert file_names(urls(*written)) == names


@given(st.lists(st.text(max_size=30) | st.sampled_from(("https://a/b", "https://a/b?c", "http://[::1")), max_size=6))
def test_whatever_is_written_becomes_a_name_of_its_own(written: list[str]) -> None:
    names = file_names(tuple(written))
    assert len(set(names)) == len(written)
    assert all(re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", name) for name in names), names


@pytest.mark.parametrize(
    ("names", "path"),
    [
        (("a.parquet",), ""),
        (("a.parquet", "b.parquet"), "data/*parquet*"),
        (("a.jsonl", "b.json"), "data/*json*"),
        (("a.csv", "b.parquet"), ""),
        (("a.bin", "b.bin"), ""),
        (("a.csv", "b.csv.json"), ""),
    ],
)
def test_several_files_of_one_kind_are_read_together(names: tuple[str, ...], path: str) -> None:
    assert common_path(urls(*names)) == path


def test_the_training_program_is_told_to_read_every_file_unless_its_user_names_one() -> None:
    several: Json = {"input": {"urls": list(urls("a.parquet", "b.parquet"))}}
    assert document(tuned(**several))["DatasetConfig"]["dataset_path"] == "data/*parquet*"
    theirs = (
        "training_config: {DatasetConfig: {dataset_path: data/a.parquet}, QuantizationConfig: {load_in_4bit: true}}"
    )
    assert document(tuned(**several, config="cm"), theirs)["DatasetConfig"]["dataset_path"] == "data/a.parquet"
    assert "dataset_path" not in document(tuned())["DatasetConfig"]


def test_addresses_are_arguments_and_never_part_of_a_program() -> None:
    evil = "https://data.example.com/';reboot;'$(reboot)`reboot`.csv"
    (_, fetcher) = pod(rendered(tuned(input={"urls": [evil]})))["initContainers"]
    assert fetcher["command"][-2:] == ["_reboot_reboot_reboot_.csv", literal(evil)]
    assert [word for word in fetcher["command"][:-2] if "reboot" in word] == []


def test_the_training_image_fetches_its_own_data() -> None:
    found = pod(rendered(tuned()))
    assert found["initContainers"][1]["image"] == found["containers"][0]["image"]


@pytest.mark.parametrize("source", [{"urls": list(urls("a.csv"))}, {"image": "registry.example.com/data:1"}], ids=str)
def test_data_that_are_fetched_take_no_more_than_the_disk_of_the_node_that_was_asked_for(source: Json) -> None:
    obj = tuned(input=source)
    (volume,) = (each for each in pod(rendered(obj))["volumes"] if each["name"] == "data")
    work = target_of(obj).work
    assert isinstance(work, Training)
    assert volume == {"name": "data", "emptyDir": {"sizeLimit": f"{work.preset.disk_gib}Gi"}}
