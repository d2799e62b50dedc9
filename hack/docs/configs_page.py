"""The page of configuration files: every key, what it takes, and what becomes of it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from controller.planning.configs import INFERENCE_KEY, TRAINING_KEY, default_training, render_training
from controller.planning.configs.document import MAX_CHARACTERS, MAX_KEYS
from controller.planning.configs.flags import releases
from controller.planning.configs.inference import SERVER, server_keys
from controller.planning.configs.schema import INFERENCE_SCHEMA, TRAINING_SCHEMA, Key, keys_of, load_schema
from controller.planning.configs.training import ROOT
from controller.planning.sizing import TuningMethod
from hack.docs.markdown import page, table

_INTRO: Final = f"""# Configuration files

`inference.config` and `tuning.config` name a ConfigMap of the Workspace's own namespace. What stands in it is
checked when the Workspace is applied and whenever the ConfigMap changes: unknown keys with the nearest known one,
types, ranges, and whether it goes with the model, the GPUs and the method. A ConfigMap that is not there yet is a
warning; the Workspace then waits with the reason `ConfigMapNotFound`, and goes on by itself once it is there.

Documents are YAML of at most {MAX_CHARACTERS:,} characters and {MAX_KEYS} keys a section, without aliases and
repeated keys. Values may be quoted: `"2048"` is as good as `2048`. Keys beside the known ones at the top are
ignored with a warning."""

_INFERENCE: Final = f"""## {INFERENCE_KEY}

Read by vLLM only. Flags are written without their dashes in front; dashes and underscores are the same, and `no-`
in front turns a flag off. A flag that takes JSON is given it in quotes, or key by key as `flag.key: value`. The
user's value goes before that of the catalogue; what the operator owns is not used, with a warning. A flag that the
release of vLLM in the model's image does not know is left out with a warning: published examples name flags that
later releases dropped. An image of the user's own may know more flags: there an unknown one is passed on with a
warning.

KAITO's v1alpha1 asks for `max-model-len` where a node has several GPUs of less than 20 GiB, or there are several
nodes. It is not asked for here: the sum is made with the context that is said, or with the default.

```yaml
apiVersion: v1
kind: ConfigMap
metadata:
  name: my-inference
data:
  {INFERENCE_KEY}: |
    vllm:
      max-model-len: 8192
      gpu-memory-utilization: 0.9
```"""

_TRAINING: Final = f"""## {TRAINING_KEY}

Everything stands below `{ROOT}`, in the sections of the training program. `qlora` needs `load_in_4bit` or
`load_in_8bit` in `QuantizationConfig`, `lora` neither. Without `tuning.config` the run is configured like this (on
GPUs below CUDA capability 8.0 with `float16` for `bfloat16`; `lora` without quantisation):"""


def configs_page() -> str:
    """The text of docs/reference/configuration-files.md."""
    sections = keys_of(TRAINING_SCHEMA, ROOT)
    return page(
        _INTRO,
        _INFERENCE,
        f"Flags stand below `{SERVER}`; beside it:",
        _table({name: key for name, key in keys_of(INFERENCE_SCHEMA).items() if name != SERVER}),
        f"Flags of vLLM {' and '.join(sorted(releases(), key=_order))}, the releases in the images of the catalogue:",
        _table(server_keys()),
        _TRAINING,
        f"```yaml\n{render_training(default_training(TuningMethod.QLORA)).strip()}\n```",
        *(part for name, key in sections.items() for part in _section(name, key)),
        "## Sources",
        "\n".join(f"- {source}" for source in _sources()),
    )


def _section(name: str, key: Key) -> tuple[str, str, str]:
    return f"### {name}", key.about, _table(keys_of(TRAINING_SCHEMA, ROOT, name))


def _table(keys: Mapping[str, Key]) -> str:
    return table(
        ("key", "takes", "remarks"),
        ((f"`{name}`", key.expected, " ".join(filter(None, _remarks(key)))) for name, key in keys.items()),
    )


def _remarks(key: Key) -> Iterator[str]:
    yield key.about
    if key.releases:
        yield f"Only in {', '.join(sorted(key.releases, key=_order))}."
    if key.refused:
        yield f"Refused: {key.refused}."
    if key.owned:
        yield f"Not used: {key.owned}."
    if key.caution:
        yield f"With a warning: {key.caution}."


def _sources() -> Iterable[str]:
    return [source for stem in (INFERENCE_SCHEMA, TRAINING_SCHEMA) for source in load_schema(stem)["sources"]]


def _order(release: str) -> tuple[int, ...]:
    return tuple(map(int, release.split(".")))
