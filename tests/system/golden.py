"""Golden files: what users see, reviewed as text. KAITO_UPDATE_GOLDEN=1 writes them anew."""

import os
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "golden"


def compare(name: str, text: str) -> None:
    """Assert that a text is the one in the golden file, or make it so when asked to."""
    path = FOLDER / name
    if os.environ.get("KAITO_UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    expected = path.read_text(encoding="utf-8") if path.exists() else f"(there is no {path})"
    assert text == expected, f"users see something else than {path.name} says; if that is meant: KAITO_UPDATE_GOLDEN=1"
