"""`training_config.yaml`: sections of the training program, checked against the libraries in its images."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from types import MappingProxyType
from typing import Any, Final

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
from controller.planning.configs.inference import is_json
from controller.planning.configs.remarks import MAX_FAULTS, Parsed, Remark
from controller.planning.configs.schema import TRAINING_SCHEMA, Key, coerce, keys_of, validator

TRAINING_KEY: Final = "training_config.yaml"
"""The key of the ConfigMap the document stands under."""

ROOT: Final = "training_config"
"""The key everything stands below."""

MODEL: Final = "ModelConfig"
QUANTIZATION: Final = "QuantizationConfig"
LORA: Final = "LoraConfig"
ARGUMENTS: Final = "TrainingArguments"
DATASET: Final = "DatasetConfig"
COLLATOR: Final = "DataCollator"

LIBRARY_BATCH: Final = 8
"""Examples per GPU and step where nothing is said. Source: transformers.TrainingArguments."""

LIBRARY_RANK: Final = 8
"""Rank of an adapter where nothing is said. Source: peft.LoraConfig."""

OUTPUT_ROOT: Final = "/mnt"
"""The folder results must be written below."""

DEFAULT_OUTPUT: Final = "/mnt/results"
"""Where results are written unless the user says otherwise."""

_TAKEN: Final = ("/mnt/config", "/mnt/data")
_CACHED: Final = 256
_EMPTY: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """What a user asks of the training program.

    Attributes:
        sections: the keys of each section in their own types; sections nobody wrote are missing.
        lines: the line of each section and key, by its path without the root.
    """

    sections: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: _EMPTY)
    lines: Mapping[str, int] = field(default_factory=lambda: _EMPTY)

    def value(self, name: str, key: str) -> Any:
        """What a key of a section is set to; None where it is not."""
        return self.sections.get(name, _EMPTY).get(key)

    @property
    def batch(self) -> int:
        """Examples per GPU and step that must fit: one where the program halves what does not."""
        if self.value(ARGUMENTS, "auto_find_batch_size"):
            return 1
        return int(self.value(ARGUMENTS, "per_device_train_batch_size") or LIBRARY_BATCH)

    @property
    def rank(self) -> int:
        """Rank of the adapter."""
        return int(self.value(LORA, "r") or LIBRARY_RANK)

    @property
    def output_dir(self) -> str:
        """The folder results are written to, as an absolute path without dots."""
        return output_path(str(self.value(ARGUMENTS, "output_dir") or DEFAULT_OUTPUT))

    @property
    def quantizes(self) -> tuple[str, ...]:
        """The ways weights are quantised that are switched on."""
        return tuple(key for key in ("load_in_4bit", "load_in_8bit") if self.value(QUANTIZATION, key))


def output_path(written: str) -> str:
    """Where results go for what a user wrote: a path that does not begin with /mnt is one below it, as in KAITO."""
    inside = written if written == OUTPUT_ROOT or written.startswith(f"{OUTPUT_ROOT}/") else f"{OUTPUT_ROOT}/{written}"
    return posixpath.normpath(inside)


@lru_cache(maxsize=_CACHED)
def parse_training(text: str) -> Parsed[TrainingConfig]:
    """What a document says. Total: every text gets an answer. Remembered by its text."""
    found = read(text)
    if found is None or (isinstance(found, Section) and ROOT not in found.values):
        why = "the training program reads its sections from there"
        return Parsed(TrainingConfig(), (Remark(1, ROOT, "is missing", why, (f"write {ROOT}: above the sections",)),))
    if isinstance(found, Remark):
        return Parsed(TrainingConfig(), (found,))
    cautions = list(islice(ignored_keys(found, keys_of(TRAINING_SCHEMA)), MAX_FAULTS))
    root = section(found, ROOT, "sections")
    if isinstance(root, Remark):
        return Parsed(TrainingConfig(), (root,), tuple(cautions))
    reading = _Reading(root)
    reading.run()
    return Parsed(reading.config, tuple(reading.faults[:MAX_FAULTS]), tuple((cautions + reading.cautions)[:MAX_FAULTS]))


class _Reading:
    """One pass over a document."""

    def __init__(self, root: Section) -> None:
        self.faults: list[Remark] = []
        self.cautions: list[Remark] = []
        self.config = TrainingConfig()
        self._root = root
        self._sections: dict[str, Mapping[str, Any]] = {}
        self._lines: dict[str, int] = {}

    def run(self) -> None:
        """Fills in what was found."""
        known = keys_of(TRAINING_SCHEMA, ROOT)
        for name in self._root.values:
            if len(self.faults) >= MAX_FAULTS:
                break
            if name not in known:
                self.faults.append(unknown(self._root, name, known, "the training program", release=False))
                continue
            found = section(self._root, name, "keys")
            if isinstance(found, Remark):
                self.faults.append(found)
            else:
                self._lines[name] = found.line()
                self._sections[name] = MappingProxyType(dict(self._keys(found, name)))
        self.config = TrainingConfig(MappingProxyType(self._sections), MappingProxyType(self._lines))
        self.faults += _conflicts(self._root, self.config)
        written = self.config.value(ARGUMENTS, "output_dir")
        if written is not None and not str(written).startswith(f"{OUTPUT_ROOT}/"):
            where = Section(self._root.entry, (*self._root.steps, ARGUMENTS), {})
            self.cautions.append(where.remark("output_dir", f"is read as {shown(self.config.output_dir)}"))

    def _keys(self, where: Section, name: str) -> dict[str, Any]:
        keys, good = keys_of(TRAINING_SCHEMA, ROOT, name), {}
        for written, value in where.values.items():
            if len(self.faults) >= MAX_FAULTS:
                break
            key = keys.get(written)
            if key is None:
                self.faults.append(unknown(where, written, keys, f"{name} in the training program", release=False))
                continue
            meant = coerce(value, key)
            if _is_misfit(name, written, meant, key):
                self.faults.append(_wrong(where, written, value, key))
                continue
            self._lines[f"{name}.{written}"] = where.line(written)
            good[written] = meant
            for fault, remark in standing(where, written, key):
                if fault or meant is not False:
                    (self.faults if fault else self.cautions).append(remark)
        return good


def _wrong(where: Section, written: str, value: Any, key: Key) -> Remark:
    if isinstance(value, dict):
        why = "the training program takes no maps on its command line"
        return where.remark(written, f"is {shown(value)}", why, ("remove it",))
    return misfit(where, written, value, key)


def _is_misfit(name: str, written: str, meant: Any, key: Key) -> bool:
    config = {ROOT: {name: {written: meant}}}
    return not validator(TRAINING_SCHEMA).is_valid(config) or (key.holds_json and not is_json(meant))


def _conflicts(root: Section, config: TrainingConfig) -> list[Remark]:
    """What contradicts itself, or writes where nothing may be written."""
    found = []
    if len(config.quantizes) > 1:
        why = "weights are loaded in one format"
        where = Section(root.entry, (*root.steps, QUANTIZATION), {})
        found.append(where.remark("load_in_8bit", "and load_in_4bit are both true", why, ("set one of them to false",)))
    written = config.value(ARGUMENTS, "output_dir")
    if written is not None and not _is_writable(written):
        where = Section(root.entry, (*root.steps, ARGUMENTS), {})
        why = f"results are written to a folder below {OUTPUT_ROOT}, outside {' and '.join(_TAKEN)}"
        found.append(where.remark("output_dir", f"is {shown(written)}", why, (f"use {DEFAULT_OUTPUT}",)))
    return found


def _is_writable(written: str) -> bool:
    path = output_path(written)
    if not path.startswith(f"{OUTPUT_ROOT}/"):
        return False
    return not any(path == taken or path.startswith(f"{taken}/") for taken in _TAKEN)
