"""The few elements of SVG 1.1 a dashboard is drawn with, as text."""

from collections.abc import Iterable
from html import escape
from typing import Final

FONT: Final = "Inter, 'Segoe UI', Helvetica, Arial, sans-serif"
CHARACTER: Final = 0.56
"""Width of a character, as a share of the font's size: text cannot be measured here."""


def element(name: str, *inner: str, **attributes: object) -> str:
    """An element; `font_size` becomes `font-size`, numbers are rounded to a tenth."""
    words = "".join(f' {key.replace("_", "-")}="{_word(value)}"' for key, value in attributes.items())
    return f"<{name}{words}>{''.join(inner)}</{name}>" if inner else f"<{name}{words}/>"


def text(content: str, x: float, y: float, *, size: float = 12, fill: str = "#1f2329", **more: object) -> str:
    """A line of text, its baseline at `y`."""
    return element("text", escape(content), x=x, y=y, font_size=size, fill=fill, **more)


def path(points: Iterable[tuple[float, float]], **attributes: object) -> str:
    """A line through the points."""
    steps = " ".join(f"{'L' if number else 'M'}{x:.1f} {y:.1f}" for number, (x, y) in enumerate(points))
    return element("path", d=steps, **attributes)


def cut(content: str, width: float, size: float) -> str:
    """The text, shortened to what fits into the width."""
    room = max(1, int(width / (size * CHARACTER)))
    return content if len(content) <= room else content[: room - 1].rstrip() + "…"


def document(width: float, height: float, title: str, *inner: str) -> str:
    """A whole picture, readable in a text editor."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" font-family="{FONT}" role="img">'
    )
    return "\n".join([head, element("title", escape(title)), *inner, "</svg>"]) + "\n"


def _word(value: object) -> str:
    word = f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
    return escape(word, quote=True)
