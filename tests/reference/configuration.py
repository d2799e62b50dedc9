"""Serving with a configuration of the user's own."""

from typing import Any, Final

from tests.reference.rows import Row, no, served, yes

KEY: Final = "inference_config.yaml"


def configured(answer: Any, number: str, does: str, data: dict[str, str] | None, *says: str, **more: Any) -> Row:
    """A row whose manifest names a ConfigMap of that data; None where there is no such ConfigMap."""
    preset = more.pop("preset", "phi-4-mini-instruct")
    name = f"config-{number.lower()}"
    present = {} if data is None else {name: data}
    row: Row = answer(number, does, served(preset, inference__config=name), *says, config_maps=present, **more)
    return row


CONFIGURED: Final[tuple[Row, ...]] = (
    configured(yes, "A-23", "sets flags of vLLM", {KEY: "vllm:\n  max-model-len: 8192\n  enforce-eager: true\n"}),
    configured(
        yes,
        "D-40",
        "names a ConfigMap that is not there",
        None,
        "config-d-40",
        differs="objects may be applied in any order: a warning now, and the controller looks again",
    ),
    configured(no, "D-41", "names a ConfigMap without the key", {"other.yaml": "vllm: {}\n"}, KEY),
    configured(no, "D-42", "sets a flag to a map", {KEY: "vllm:\n  cpu: {a: 1}\n"}, "cpu"),
    configured(no, "D-43", "sets a length to a word", {KEY: "vllm:\n  max-model-len: abc\n"}, "max-model-len"),
    configured(
        no,
        "D-44",
        "sets a length the model does not have",
        {KEY: "vllm:\n  max-model-len: 20000\n"},
        "max-model-len",
        "16384",
        preset="phi-4",
    ),
)
"""By number."""
