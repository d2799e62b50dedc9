"""The Job that tunes a model: data in, one training run on one node, the adapter out.

Everything the run depends on stands in the Job, so that nothing that is edited meanwhile changes a run half way. The
training itself has no time limit, as in KAITO: nobody but its user knows how long it takes, and a run that is ended has
nothing to show for it. What comes before and after it has limits of its own.
"""

from dataclasses import replace
from typing import Final

from controller.api import labels
from controller.api.json import Json
from controller.api.resources import JOBS
from controller.api.workspace import Workspace
from controller.catalog import Preset, Tuning
from controller.planning.nodes import NodeDemand
from controller.planning.rendering.data import Data, render_data
from controller.planning.rendering.objects import digest, make_object, owned_labels, without_empty
from controller.planning.rendering.parts import (
    CONFINED,
    POD_BASICS,
    READING_ALL,
    SHARED_MEMORY,
    SHARED_MEMORY_MOUNT,
    access_token,
    own_image,
    own_pull_secrets,
    secret_references,
    whole_node,
)
from controller.planning.rendering.placing import own_nodes, tolerations
from controller.planning.rendering.results import NOT_PUSHED, Results, render_results
from controller.planning.target import Training

INTENT: Final = "kaito.sh/training-intent"
"""Annotation with a digest of what the user asked for; a Job with another digest is replaced."""

DOCUMENT: Final = "kaito.sh/training-config"
"""Annotation of the pod that holds the configuration file."""

RETRIES: Final = 2
"""How often a failed run is tried again."""

_CONFIG_PATH: Final = "/mnt/config"
_CONFIG_FILE: Final = "training_config.yaml"
_PHI_3: Final = "phi-3"
_PHI_3_MODULES: Final = "k_proj,q_proj,v_proj,o_proj,gate_proj,down_proj,up_proj"
"""Layers of Phi-3 that get an adapter; its fused ones are not found by name. Source: kaito-project/kaito."""


def render_training(workspace: Workspace, work: Training, demand: NodeDemand) -> Json:
    """The Job that tunes the model."""
    asked = workspace.tuning
    if asked is None:
        raise ValueError("nobody asked for a training run")
    data = render_data(asked.input, _image(workspace, work), work.preset.disk_gib)
    results = render_results(asked.output, work)
    metadata = {
        "labels": owned_labels(workspace),
        "annotations": {DOCUMENT: work.document, labels.DEFAULT_CONTAINER: workspace.name},
    }
    return make_object(
        JOBS,
        workspace,
        {
            "backoffLimit": RETRIES,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {"rules": _failure_rules(workspace, results)},
            "template": {"metadata": metadata, "spec": _pod(workspace, work, demand, data, results)},
        },
        annotations={INTENT: digest(work.intent)},
    )


def _failure_rules(workspace: Workspace, results: Results) -> list[Json]:
    """A lost node is nobody's failure; a result that cannot be pushed is not helped by training again."""
    disrupted: Json = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    not_pushed = {"containerName": workspace.name, "operator": "In", "values": [NOT_PUSHED]}
    return [disrupted, {"action": "FailJob", "onExitCodes": not_pushed}] if results.sidecars else [disrupted]


def _pod(workspace: Workspace, work: Training, demand: NodeDemand, data: Data, results: Results) -> Json:
    config = {
        "name": "config",
        "downwardAPI": {
            "items": [{"path": _CONFIG_FILE, "fieldRef": {"fieldPath": f"metadata.annotations['{DOCUMENT}']"}}]
        },
    }
    spec: Json = {
        **POD_BASICS,
        "restartPolicy": "Never",
        "affinity": own_nodes(workspace),
        "tolerations": tolerations(demand.gpu_resource),
        "containers": [_trainer(workspace, work, demand, data, results)],
        "volumes": [SHARED_MEMORY, config, *data.volumes, *results.volumes],
    }
    optional = {
        "initContainers": [*results.sidecars, *data.fetchers],
        "imagePullSecrets": secret_references(own_pull_secrets(workspace.preset)),
    }
    return {**spec, **without_empty(optional)}


def _tuning(preset: Preset) -> Tuning:
    if preset.tuning is None:
        raise ValueError(f"{preset.name} cannot be tuned")
    return preset.tuning


def _image(workspace: Workspace, work: Training) -> str:
    return own_image(workspace.preset) or _tuning(work.preset).image.reference


def _trainer(workspace: Workspace, work: Training, demand: NodeDemand, data: Data, results: Results) -> Json:
    tuning = _tuning(work.preset)
    # One process for each GPU, each with a whole copy of the model.
    launch = {**tuning.spec.launch_params, "num_processes": str(demand.gpus)}
    env = {**tuning.spec.env, "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"}
    if work.preset.name.startswith(_PHI_3):
        env["DEFAULT_TARGET_MODULES"] = _PHI_3_MODULES
    container: Json = {
        "name": workspace.name,
        "image": _image(workspace, work),
        "command": results.wrap(replace(tuning.spec, launch_params=launch).argv()),
        "env": [*({"name": name, "value": value} for name, value in sorted(env.items())), *access_token(workspace)],
        "resources": whole_node(demand),
        "volumeMounts": [
            SHARED_MEMORY_MOUNT,
            {"name": "config", "mountPath": _CONFIG_PATH, "readOnly": True},
            data.mount,
            *results.mounts,
        ],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": CONFINED if data.fetchers and results.sidecars else READING_ALL,
    }
    return container | without_empty({"workingDir": tuning.spec.working_dir})
