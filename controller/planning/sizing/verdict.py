"""The answer to "does it fit": the layout, the sum on each GPU, and both in words."""

from collections.abc import Iterator
from dataclasses import dataclass

from controller.planning.sizing.terms import BYTES_PER_GIB, Layout, Load, Share


@dataclass(frozen=True, slots=True)
class Fit:
    """The sum for one use of a preset on one machine size.

    Attributes:
        preset, sku: their names.
        load: what a copy puts on GPUs, term by term.
        layout: how the copy is spread; where it does not fit, the layout that comes nearest.
        nodes: nodes asked about.
        min_gpus: fewest GPUs that hold one copy, on however many nodes of the size; None when no number does.
        min_nodes: fewest nodes of the size that hold one copy; None when no number does.
        context: tokens counted: of context, or of a training example.
        cache_tokens: tokens the KV cache has room for, over all requests; 0 in training or when memory is unknown.
        max_context: the longest context of the model in tokens.
        nominal_gib: memory of one GPU as sold; None when unknown.
        measured: whether the driver's own figure is known; else the nominal one is read as decimal gigabytes.
        usable: bytes of one GPU a program can count on; None when unknown.
        percent: share of them the program is given.
        available: GPUs of the nodes asked about that one copy can be split over; 0 when their number is unknown.
        exact: whether the KV cache is known, rather than bounded from above.
        leeway: bytes of each GPU by which overhead and share are counted too strictly at most.
        checkpointing: whether training fits only with gradient checkpointing, which costs about a third more time.
    """

    preset: str
    sku: str
    load: Load
    layout: Layout
    nodes: int
    min_gpus: int | None
    min_nodes: int | None
    context: int
    cache_tokens: int
    max_context: int
    nominal_gib: float | None
    measured: bool
    usable: int | None
    percent: int
    available: int
    exact: bool
    leeway: int
    checkpointing: bool

    @property
    def gpus(self) -> int:
        """GPUs that hold one copy of the model, over all its nodes; 0 when their number is unknown."""
        return self.layout.gpus if self.available else 0

    @property
    def needed(self) -> int:
        """Bytes of all terms together on the fullest GPU."""
        return self.load.total_on_each(self.layout)

    @property
    def offered(self) -> int:
        """Bytes of each GPU the program is given; 0 when unknown."""
        return (self.usable or 0) * self.percent // 100

    @property
    def known(self) -> bool:
        """Whether the size's GPUs and their memory are known; without that nothing can be said."""
        return self.usable is not None and self.available > 0

    @property
    def fits(self) -> bool:
        """Whether it fits on the nodes asked about; False when the size's memory is unknown."""
        return self.min_nodes is not None and self.min_nodes <= self.nodes

    @property
    def certain(self) -> bool:
        """Whether the verdict stands whatever the upper bounds in the sum hide.

        A misfit is doubtful where a smaller KV cache than the one assumed, or a leaner server, would change it.
        """
        return self.fits or self.needed - self._bounded > self.offered or self.layout.gpus > self.available

    @property
    def doubt(self) -> str:
        """What is counted by an upper bound, for a misfit that is not certain."""
        bounds: tuple[str, ...] = ("the size of its KV cache",) if not self.exact else ()
        bounds += ("what its server takes and leaves unused",) if self.leeway else ()
        return f"{' and '.join(bounds)} {'is an upper bound' if len(bounds) == 1 else 'are upper bounds'}"

    @property
    def _bounded(self) -> int:
        """Bytes of the fullest GPU that stand in the sum only because of upper bounds, at most."""
        cache = sum(self.load.on_each(term, self.layout) for term in self.load.terms if term.share is Share.CACHE)
        return self.leeway + (0 if self.exact else cache)

    @property
    def longest_context(self) -> int:
        """The longest context one request can have, in tokens."""
        return min(self.cache_tokens, self.max_context)

    @property
    def need_text(self) -> str:
        """The left side of the sum, such as `10.31 GiB of GPU memory (7.26 weights + 0.75 KV cache ...)`.

        The terms as they are shown add up to the amount as it is shown.
        """
        terms = " + ".join(f"{_gib(share)} {label}" for label, share in self._shares)
        where = "of GPU memory" if self.layout.gpus == 1 else f"on each of {self.layout.gpus} GPUs"
        return f"{self._needed_text} GiB {where} ({terms})"

    @property
    def _shares(self) -> list[tuple[str, int]]:
        return [(term.label, self.load.on_each(term, self.layout)) for term in self.load.terms]

    @property
    def _needed_text(self) -> str:
        return f"{sum(_hundredths(share) for _, share in self._shares) / 100:.2f}"

    @property
    def _offered_text(self) -> str:
        return f"{round(_hundredths(self.usable or 0) * self.percent / 100) / 100:.2f}"

    @property
    def offer_text(self) -> str:
        """The right side, such as `12.52 GiB (1 GPU x 14.90 usable x 84%)`."""
        if self.usable is None or not self.known:
            return "an unknown amount"
        devices = "1 GPU x " if self.layout.gpus == 1 else ""
        each = "" if self.layout.gpus == 1 else " on each"
        if self.layout.gpus > self.available:
            each = f" on {count(self.available, 'GPU')} only"
        return f"{self._offered_text} GiB{each} ({devices}{_gib(self.usable)} usable x {self.percent}%)"

    def explain(self) -> str:
        """The whole sum, a line for each term with its source, and what it comes to."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        layout = self.layout
        yield f"{self.preset} on {self.nodes} x {self.sku}: {self._verdict()}"
        each = "1 GPU" if layout.gpus == 1 else f"each of {layout.gpus} GPUs"
        yield f"{each} needs {self._needed_text} GiB:"
        for term in self.load.terms:
            share = _gib(self.load.on_each(term, layout))
            yield f"  {share:>8}  {term.label}: {term.source}; {term.share}"
        yield f"and is given {self._offered_text} GiB:"
        if self.usable is not None:
            usable = (
                "usable, as its driver reports" if self.measured else "usable: the nominal figure read as decimal GB"
            )
            yield f"  {self.nominal_gib or 0:8.2f}  nominal"
            yield f"  {_gib(self.usable):>8}  {usable}"
            yield f"  {self.percent / 100:8.2f}  of that, the rest absorbs fragmentation"
        if self.cache_tokens:
            yield f"room for {self.cache_tokens} tokens of KV cache; one request can have {self.longest_context}"

    def _verdict(self) -> str:
        if not self.known:
            return "GPUs or their memory are unknown"
        layout = f"tensor {self.layout.tensor}, pipeline {self.layout.pipeline}, data {self.layout.data}"
        if self.min_gpus is None or self.min_nodes is None:
            return f"fits on no number of nodes (nearest: {layout})"
        least = f"{count(self.min_gpus, 'GPU')} on {count(self.min_nodes, 'node')}"
        if not self.fits:
            return f"does not fit, a copy takes {least}"
        how = ", gradient checkpointing" if self.checkpointing else ""
        return f"fits, a copy takes at least {least}; spread as {layout}{how}"


def count(number: int, noun: str) -> str:
    """A number of things in words, such as `1 GPU` or `2 GPUs`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _gib(amount: int) -> str:
    return f"{_hundredths(amount) / 100:.2f}"


def _hundredths(amount: int) -> int:
    return round(100 * amount / BYTES_PER_GIB)
