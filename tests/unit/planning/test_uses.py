"""What a Workspace asks of its model."""

from controller.api.workspace import parse_workspace
from controller.catalog import load_catalog
from controller.planning.site import Site
from controller.planning.sizing import TuningMethod, TuningUse, Use
from controller.planning.uses import use_for
from tests.unit.planning.manifests import example

SITE = Site(load_catalog())


def test_serving_asks_for_runtime_and_adapters() -> None:
    assert use_for(parse_workspace(example()), SITE) == Use()
    asked = parse_workspace(
        example(metadata__annotations={"kaito.sh/runtime": "transformers"}, inference__adapters=[{}, {}])
    )
    assert use_for(asked, SITE) == Use(runtime=asked.runtime_wish, adapters=2)
    assert use_for(parse_workspace(example(inference=None)), SITE) == Use()


def test_tuning_asks_by_its_method_in_any_letter_case() -> None:
    tuned = parse_workspace(example(inference=None, tuning={"method": "LoRA"}))
    assert use_for(tuned, SITE) == Use(tuning=TuningUse(TuningMethod.LORA))
