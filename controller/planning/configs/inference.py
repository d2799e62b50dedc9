"""`inference_config.yaml`: flags of the model server, checked against the releases of vLLM in our images."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from controller.planning.configs.document import (
    Section,
    ignored_keys,
    misfit,
    read,
    section,
    shown,
    standing,
    unknown,
)
from controller.planning.configs.remarks import MAX_FAULTS, Parsed, Remark
from controller.planning.configs.schema import INFERENCE_SCHEMA, Key, coerce, keys_of, validator

INFERENCE_KEY: Final = "inference_config.yaml"
"""The key of the ConfigMap the document stands under."""

SERVER: Final = "vllm"
"""The section of the model server's flags."""

Flag: TypeAlias = str | int | float | bool

_CACHED: Final = 256
_NO: Final = "no-"
_FLAG: Final = re.compile(r"[a-z][-_.a-z0-9]{0,99}", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class InferenceConfig:
    """What a user asks of the model server.

    Attributes:
        flags: by their names with dashes, in their own types; those of sub-keys as `flag.key`.
        unknown: flags nobody knows, as they were written; an image of the user's own may know them.
        lines: the line of each flag.
        max_probe_steps: steps in which KAITO's server looks for a context that fits; None where not said.
        kv_cache_cpu_memory_utilization: share of the node's memory for KV cache; None where not said.
    """

    flags: Mapping[str, Flag] = field(default_factory=lambda: MappingProxyType({}))
    unknown: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    lines: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    max_probe_steps: int | None = None
    kv_cache_cpu_memory_utilization: float | None = None

    def number(self, flag: str) -> int | None:
        """The whole number a flag is set to; None where it is not set, or to a word."""
        value = self.flags.get(flag)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def word(self, flag: str) -> str:
        """The text a flag is set to; empty where it is not set."""
        value = self.flags.get(flag)
        return value if isinstance(value, str) else ""

    @property
    def max_model_len(self) -> int | None:
        """Tokens of context asked for; None where not said, or left to what fits."""
        return self.number("max-model-len")

    @property
    def memory_percent(self) -> int | None:
        """Share of GPU memory the server is given, rounded down to whole percent; None where not said."""
        value = self.flags.get("gpu-memory-utilization")
        return None if value is None else int(float(value) * 100 + 1e-9)

    @property
    def tensor_parallel_size(self) -> int | None:
        """GPUs that share each layer; None where not said."""
        return self.number("tensor-parallel-size")


EMPTY: Final = InferenceConfig()
"""Nothing asked for."""


def server_keys() -> Mapping[str, Key]:
    """Every flag of the model server that is known, by its name with dashes."""
    return keys_of(INFERENCE_SCHEMA, SERVER)


def flag_key(name: str) -> Key | None:
    """What is known of a flag, given with dashes. One with a sub-key is as known as the flag it belongs to."""
    stem, dot, _ = name.partition(".")
    key = server_keys().get(stem)
    return None if key is None or (dot and not key.holds_json) else key


@lru_cache(maxsize=_CACHED)
def parse_inference(text: str) -> Parsed[InferenceConfig]:
    """What a document says. Total: every text gets an answer. Remembered by its text."""
    found = read(text)
    if found is None:
        return Parsed(EMPTY)
    if isinstance(found, Remark):
        return Parsed(EMPTY, (found,))
    top = keys_of(INFERENCE_SCHEMA)
    cautions = list(islice(ignored_keys(found, top), MAX_FAULTS))
    flags = section(found, SERVER, "flags")
    if isinstance(flags, Remark):
        return Parsed(EMPTY, (flags,), tuple(cautions))
    reading = _Reading(found, flags)
    reading.run()
    return Parsed(reading.config, tuple(reading.faults[:MAX_FAULTS]), tuple((cautions + reading.cautions)[:MAX_FAULTS]))


class _Reading:
    """One pass over a document."""

    def __init__(self, top: Section, flags: Section) -> None:
        self.faults: list[Remark] = []
        self.cautions: list[Remark] = []
        self.config = EMPTY
        self._top, self._flags = top, flags
        self._values: dict[str, Flag] = {}
        self._unknown: dict[str, str] = {}
        self._lines: dict[str, int] = {}

    def run(self) -> None:
        """Fills in what was found."""
        for written, value in self._flags.values.items():
            if len(self.faults) >= MAX_FAULTS:
                break
            self._flag(written, value)
        own = {name: value for name, value in self._top.values.items() if name != SERVER}
        top = keys_of(INFERENCE_SCHEMA)
        plain = {name: coerce(own[name], top[name]) for name in top if own.get(name) is not None}
        bad = _misfits({**plain, SERVER: {}})
        self.faults += [misfit(self._top, name, own[name], top[name]) for name in bad]
        good = {name: value for name, value in plain.items() if name not in bad}
        self.config = InferenceConfig(
            MappingProxyType(self._values), MappingProxyType(self._unknown), MappingProxyType(self._lines), **good
        )

    def _flag(self, written: str, value: Any) -> None:
        name, key = _canonical(written)
        if key is None:
            self.faults.append(unknown(self._flags, written, server_keys(), "vLLM"))
            if _FLAG.fullmatch(written) and not isinstance(value, (dict, list)):
                self._unknown[written] = "" if value is None else str(value)
        elif name in self._values:
            why = "dashes and underscores are the same, and no- turns a flag off"
            self.faults.append(self._flags.remark(written, "is set twice", why, ("keep one of them",)))
        elif (meant := _meant(value, key, name, written)) is None:
            self.faults.append(self._wrong(written, value, key))
        else:
            self._values[name] = meant
            self._lines[name] = self._flags.line(written)
            for fault, remark in standing(self._flags, written, key):
                if fault or meant is not False:
                    (self.faults if fault else self.cautions).append(remark)

    def _wrong(self, written: str, value: Any, key: Key) -> Remark:
        if isinstance(value, (dict, list)):
            why = "a flag has one value on its command line"
            return self._flags.remark(written, f"is {shown(value)}", why, ("write it as JSON in quotes",))
        return misfit(self._flags, written, value, key)


def _canonical(written: str) -> tuple[str, Key | None]:
    """The flag's one name, with dashes and without `no-`, and what is known of it."""
    stem, dot, rest = written.partition(".")
    name = stem.replace("_", "-") + dot + rest
    key = flag_key(name)
    if key is None and name.startswith(_NO):
        name = name.removeprefix(_NO)
        key = flag_key(name)
        return name, key if key is not None and key.types == ("boolean",) else None
    return name, key


def _meant(value: Any, key: Key, name: str, written: str) -> Flag | None:
    """The value of a flag in its type; None where it has another, or is out of range."""
    if "." in name:
        return None if value is None or isinstance(value, (dict, list)) else str(value)
    if value is None and key.types == ("boolean",):
        value = True
    meant = coerce(value, key)
    if value is None or _misfits({SERVER: {name: meant}}) or (key.holds_json and not is_json(meant)):
        return None
    turned = written.replace("_", "-") != name
    plain: Flag = meant
    return (not plain) if turned else plain


def _misfits(config: dict[str, Any]) -> set[str]:
    """Keys at the top of a document, or flags of its server, that the schema does not allow."""
    errors: Iterator[Any] = validator(INFERENCE_SCHEMA).iter_errors(config)
    return {str(error.absolute_path[-1]) for error in errors if error.absolute_path}


def is_json(text: Any) -> bool:
    """Whether a text is JSON."""
    try:
        json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return False
    return True
