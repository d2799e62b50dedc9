"""Every preset, with each model server, on one node and several, plain, with adapters, configured: reviewed as files.

`forms.yaml` holds one rendering of each form in full and what adapters and a configuration usually change about it. The
file of a preset says of each way to run it in which form that is and what is different from there.
KAITO_UPDATE_GOLDEN=1 writes them anew.
"""

from functools import cache
from typing import Any

import pytest

from controller.catalog import Preset
from tests.system.golden import FOLDER, compare
from tests.unit.planning.rendering.kit import CATALOG
from tests.unit.planning.rendering.matrix import PLAIN, Way, ways
from tests.unit.planning.rendering.portrait import difference, portrait, write

PRESETS = {preset.name: preset for preset in CATALOG.presets.values() if preset.runnable}
MODELS = {
    "transformers": ("phi-3-mini-4k-instruct", "transformers on Standard_NC6s_v3"),
    "vllm": ("gemma-3-27b-instruct", "vllm on Standard_NC24ads_A100_v4"),
    "vllm spread": ("deepseek-r1-0528", "vllm on 3 Standard_NC96ads_A100_v4"),
    "transformers spread": ("llama-2-70b-chat", "transformers on 2 Standard_NC96ads_A100_v4"),
    "qlora": ("phi-3-mini-4k-instruct", "qlora"),
    "lora": ("phi-3-mini-4k-instruct", "lora"),
}
"""By form, the preset that stands for it, and how it is run."""

USUAL = "as usual"


def slug(name: str) -> str:
    return name.lower().replace("/", "--")


@cache
def model(form: str) -> Way:
    """The way that stands for a form."""
    name, title = MODELS[form]
    return next(way for way in ways(PRESETS[name]) if way.title == title)


def additions(way: Way) -> dict[str, Any]:
    """What each variant changes about the plain one."""
    plain = portrait(way.render(PLAIN))
    return {name: difference(plain, portrait(way.render(name))) for name in way.variants if name != PLAIN}


def told(preset: Preset) -> dict[str, Any]:
    """The file of a preset."""
    file: dict[str, Any] = {}
    known: dict[str, Way] = {}
    for way in ways(preset):
        like = known[way.form] if way.form in known else model(way.form)
        form, usual = portrait(like.render(PLAIN)), additions(like)
        plain = difference(form, portrait(way.render(PLAIN)), whole=True)
        rest = {name: USUAL if found == usual[name] else found for name, found in additions(way).items()}
        known[way.title] = way
        file[way.title] = {"like": way.form, PLAIN: plain or USUAL, **rest}
    return file or {"not rendered": "its kernels are compiled at start, with a toolkit no image brings"}


def test_each_form_is_what_was_reviewed() -> None:
    forms = {
        form: {"of": ": ".join(MODELS[form]), PLAIN: portrait(model(form).render(PLAIN)),
               **additions(model(form))}
        for form in MODELS
    }  # fmt: skip
    compare("workloads/presets/forms.yaml", write(forms))


@pytest.mark.parametrize("name", PRESETS)
def test_every_way_to_run_a_preset_is_what_was_reviewed(name: str) -> None:
    compare(f"workloads/presets/{slug(name)}.yaml", write(told(PRESETS[name])))


def test_every_preset_has_a_file_and_no_file_is_left_over() -> None:
    assert {path.stem for path in (FOLDER / "workloads/presets").iterdir()} == {"forms", *map(slug, PRESETS)}


def test_only_what_compiles_its_kernels_is_not_rendered() -> None:
    silent = {name for name, preset in PRESETS.items() if not any(True for _ in ways(preset))}
    compiled = {name for name, each in PRESETS.items() if any(spec.cuda_toolkit for spec in each.runtimes.values())}
    assert silent == compiled


@pytest.mark.parametrize("name", PRESETS)
def test_flags_stand_in_alphabetical_order(name: str) -> None:
    """The files say which flags come and go, not where: that follows from the order."""
    for way in ways(PRESETS[name]):
        for variant in way.variants:
            (server,) = way.render(variant).workload["spec"]["template"]["spec"]["containers"]
            program = max(index for index, word in enumerate(server["command"]) if word.endswith(".py"))
            flags = [word.partition("=")[0] for word in server["command"][program + 1 :]]
            assert flags == sorted(flags), f"{way.title}, {variant}"
