"""The configuration a Workspace names, as far as it is known."""

from dataclasses import dataclass
from typing import Final

from controller.api.workspace import Runtime, Workspace
from controller.planning.configs.defaults import default_training
from controller.planning.configs.inference import EMPTY, INFERENCE_KEY, InferenceConfig, parse_inference
from controller.planning.configs.training import TRAINING_KEY, TrainingConfig, parse_training
from controller.planning.existing_nodes import sku_for
from controller.planning.runtimes import choose_runtime
from controller.planning.site import Site
from controller.planning.sizing import TuningMethod

_METHODS: Final = {method.value: method for method in TuningMethod}


@dataclass(frozen=True, slots=True)
class Named:
    """The ConfigMap a Workspace names.

    Attributes:
        field: the field that names it.
        name: its name.
        key: the key its document must stand under.
        known: whether the ConfigMap is known.
        text: the document; None where it is not known, or not there.
    """

    field: str
    name: str
    key: str
    known: bool
    text: str | None


def named_config(workspace: Workspace, site: Site) -> Named | None:
    """The ConfigMap a Workspace names and would use; None where there is none.

    Training reads one, and so does vLLM. Transformers reads none, nor does a pod template.
    """
    if workspace.tuning is not None:
        return _named(workspace, site, "tuning.config", workspace.tuning.config, TRAINING_KEY)
    if workspace.inference is None or not reads_config(workspace, site):
        return None
    return _named(workspace, site, "inference.config", workspace.inference.config, INFERENCE_KEY)


def reads_config(workspace: Workspace, site: Site) -> bool:
    """Whether what serves the Workspace reads a configuration; True while nobody can tell."""
    if workspace.inference is None or workspace.inference.template is not None:
        return False
    preset = site.catalog.preset(workspace.preset.name) if workspace.preset is not None else None
    wish, sku = workspace.runtime_wish, sku_for(workspace, site)
    if preset is None or not preset.runtimes:
        return True
    if sku is None:
        return Runtime.VLLM in preset.runtimes and wish is not Runtime.TRANSFORMERS
    return choose_runtime(wish, preset.on(sku, wish), sku).runtime is Runtime.VLLM


def inference_config(workspace: Workspace, site: Site) -> InferenceConfig:
    """What the user asks of the model server; nothing where no configuration is named, known or read."""
    named = named_config(workspace, site) if workspace.inference is not None else None
    return EMPTY if named is None or named.text is None else parse_inference(named.text).config


def training_config(workspace: Workspace, site: Site, *, half: str = "bfloat16") -> TrainingConfig:
    """What the user asks of the training program; our own defaults where no configuration is named or known.

    Args:
        workspace: a Workspace that tunes.
        site: the installation.
        half: the number format of two bytes the defaults compute in.
    """
    named = named_config(workspace, site)
    if named is None or named.text is None:
        return default_training(tuning_method(workspace), half)
    return parse_training(named.text).config


def tuning_method(workspace: Workspace) -> TuningMethod:
    """How the Workspace tunes. A method nobody knows counts as the one that needs less memory; a rule tells of it."""
    written = workspace.tuning.method if workspace.tuning is not None else ""
    return _METHODS.get(written.strip().lower(), TuningMethod.QLORA)


def _named(workspace: Workspace, site: Site, field: str, name: str, key: str) -> Named | None:
    if not name:
        return None
    data = site.config_maps(workspace.namespace, name)
    return Named(field, name, key, data is not None, None if data is None else data.get(key))
