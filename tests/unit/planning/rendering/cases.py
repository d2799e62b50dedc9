"""A representative Workspace of every kind, whose rendering is reviewed as a file and tried on a real API server."""

from controller.api.json import Json
from tests.unit.planning.builders import V100
from tests.unit.planning.rendering.kit import A100, manifest, rendered, served, tuned

ADAPTERS: list[Json] = [
    {"source": {"name": "poet", "image": "registry.example.com/poet:1", "imagePullSecrets": ["key"]}},
    {"source": {"name": "clerk", "volumeSource": {"persistentVolumeClaim": {"claimName": "clerk"}}}},
]
STRONG = [{**ADAPTERS[0], "strength": "0.5"}]
PORTS = [{"containerPort": 8080}]
OWN = {"name": "own", "image": "registry.example.com/own:1", "ports": PORTS}
IN, OUT = ({"volumeSource": {"persistentVolumeClaim": {"claimName": name}}} for name in ("in", "out"))

CASES: dict[str, tuple[Json, str | None]] = {
    "transformers": (manifest(), None),
    "transformers_adapter": (
        manifest(V100, inference={"preset": {"name": "phi-3-mini-128k-instruct"}, "adapters": STRONG}),
        None,
    ),
    "vllm_config": (served("llama-3.1-8b-instruct", A100, config="cm"), "vllm: {max-model-len: 4096}"),
    "vllm_adapters": (served("phi-3-mini-128k-instruct", A100, adapters=ADAPTERS), None),
    "vllm_several_nodes": (served("deepseek-r1-0528", "Standard_ND96isr_H100_v5"), None),
    "template": (manifest(V100, 2, inference={"template": {"spec": {"containers": [OWN]}}}), None),
    "tuning_urls_to_image": (tuned(), None),
    "tuning_image_to_volume": (tuned(input={"image": "registry.example.com/data:1"}, output=OUT), None),
    "tuning_volume_to_volume": (tuned("lora", input=IN, output=OUT), None),
}
"""By the name of its file: the manifest, and the text of the ConfigMap it names."""


def objects(name: str) -> list[Json]:
    """What is rendered for a case."""
    found = rendered(*CASES[name])
    return [found.workload, *found.services]
