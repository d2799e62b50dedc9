"""The page with the figures of the last recorded run of each part."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from hack.bench.figures import Figure, Record, Target, load, load_targets, save, unit
from hack.bench.parts import PARTS
from hack.devcluster.layout import REPOSITORY

PAGE: Final = REPOSITORY / "docs" / "operations" / "performance.md"
RECORDED: Final = Path(__file__).with_name("recorded")
"""One file per part: what the page is made of."""

_HEAD: Final = """# Performance

Measured by `make bench` on a local control plane: the real API server, etcd, controller manager and scheduler, with
nodes, pods and Azure simulated, all on one machine. Figures of time depend on that machine and on what else ran on it;
requests, writes and calls do not. `make bench BENCH=controller` measures one part anew, and with `BENCH_ARGS=--record`
puts its figures here.
"""


def record(part: str, measured: Record) -> None:
    """Keeps the figures of a part and writes the page anew."""
    save(RECORDED / f"{part}.json", measured)
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(render(recorded(), load_targets()), encoding="utf-8")


def recorded() -> dict[str, Record]:
    """What was recorded of each part, in the order of the parts."""
    return {name: load(path) for name in PARTS if (path := RECORDED / f"{name}.json").exists()}


def render(records: Mapping[str, Record], targets: Mapping[str, Target]) -> str:
    """The page as Markdown."""
    return "\n".join([_HEAD, *(_section(name, each, targets) for name, each in records.items())])


def _section(part: str, measured: Record, targets: Mapping[str, Target]) -> str:
    about = measured.about
    machine = f"{about['cores']} cores, Python {about['python']}, load {about['load-before']:g} before the run"
    rows = [_row(each, targets.get(each.key)) for each in measured.figures]
    return "\n".join(
        [
            f"## {PARTS[part].title}",
            "",
            f"`make bench BENCH={part}`, {about['when'][:10]}, {machine}.",
            "",
            "| figure | measured | target |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def _row(figure: Figure, target: Target | None) -> str:
    value = f"{figure.value:,.0f}" if figure.value >= 1000 else f"{figure.value:.3g}"
    verdict = "ok" if target is None or target.reached(figure.value) else "**missed**"
    return f"| {figure.title} | {value} {unit(figure.key)} | {f'{target.text}: {verdict}' if target else ''} |"
