"""Programs that run inside the pods we make. Their text is sent along; the operator itself never runs them.

Each is one file that needs nothing but the standard library of Python 3.10 or newer.
"""

from importlib.resources import files
from typing import Final

FETCH: Final = files(__name__).joinpath("fetch.py").read_text(encoding="utf-8")
"""The program that fetches training data."""
