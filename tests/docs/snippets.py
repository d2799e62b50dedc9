"""Finds the commands and manifests in a document."""

import re
from pathlib import Path
from typing import Any

import yaml

from hack.devcluster.layout import REPOSITORY

_SECTION = re.compile(r"^## (?P<title>.+?)\n(?P<body>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_YAML = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
_CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)


def commands(document: str) -> dict[str, list[str]]:
    """The commands behind `$ ` in console blocks, by the title of their section, in order."""
    text = Path(REPOSITORY / document).read_text(encoding="utf-8")
    found: dict[str, list[str]] = {}
    for section in _SECTION.finditer(text):
        blocks = _CONSOLE.findall(section["body"])
        lines = [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]
        if lines:
            found[section["title"]] = lines
    return found


def all_commands(document: str) -> list[str]:
    """The commands behind `$ ` in all console blocks of a document, in order."""
    blocks = _CONSOLE.findall(Path(REPOSITORY / document).read_text(encoding="utf-8"))
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def answers(document: str, section: str) -> list[str]:
    """The lines that console blocks of a section show between the commands, as printed."""
    text = Path(REPOSITORY / document).read_text(encoding="utf-8")
    (body,) = (found["body"] for found in _SECTION.finditer(text) if found["title"] == section)
    lines = (line for block in _CONSOLE.findall(body) for line in block.splitlines())
    return [line for line in lines if line.strip() and not line.startswith("$ ")]


def yaml_blocks(document: str) -> list[dict[str, Any]]:
    """The manifests in yaml blocks, in order."""
    text = Path(REPOSITORY / document).read_text(encoding="utf-8")
    return [yaml.safe_load(block) for block in _YAML.findall(text)]
