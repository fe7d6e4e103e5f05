"""What was measured, and how it is shown: on the terminal and as Markdown."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jobs import Outcome

FULL_NAMES = {
    "recipe": "DataLoader recipe, fp32",
    "img2vec": "img2vec-pytorch",
    "bignet": "BigNet",
    "bignet-fp32": "BigNet, fp32",
}


@dataclass
class Row:
    """One contestant's runs.

    Attributes:
        name: key of FULL_NAMES.
        n_images: photos in each run.
        rates: images a second, run by run.
        cpu_ms: milliseconds of processor time an image, run by run.
        min_cosine: smallest to the recipe's vectors, over all runs, of the same squares.
        own_min_cosine: the same with the contestant's own preprocessing, where that differs.
        unlike: the median cosine between different photos.
    """

    name: str
    n_images: int
    rates: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    min_cosine: float = 1.0
    own_min_cosine: float | None = None
    unlike: float = 0.0

    def add(self, outcome: Outcome, expected: np.ndarray) -> None:
        """Count a run in; ``expected`` is (N, D)."""
        self.rates.append(self.n_images / outcome.seconds)
        self.cpu_ms.append(1000 * outcome.cpu_seconds / self.n_images)
        self.unlike = unlike(outcome.vectors["vectors"])
        own = float(cosines(outcome.vectors["vectors"], expected).min())
        same = outcome.vectors.get("squares")
        if same is not None:
            self.own_min_cosine = own
            own = float(cosines(same, expected).min())
        self.min_cosine = min(self.min_cosine, own)

    @property
    def rate(self) -> float:
        """The median of the runs."""
        return statistics.median(self.rates)


@dataclass(frozen=True)
class Limit:
    """The machine at its best, images a second.

    Attributes:
        forward: the network alone, by BigNet.
        decode: decoding alone, by BigNet.
        precision: the arithmetic that BigNet chose.
        decoder: how it decoded.
        openvino: OpenVINO's forward pass.
        openvino_ratio: BigNet's to OpenVINO's, median of pairs.
    """

    forward: float
    decode: float
    precision: str
    decoder: str
    openvino: float | None = None
    openvino_ratio: float | None = None

    @property
    def rate(self) -> float:
        """Both on the same cores: their times add up."""
        return 1 / (1 / self.forward + 1 / self.decode)


@dataclass(frozen=True)
class Result:
    """One network's race.

    Attributes:
        model: the network.
        embedding: layer and pool.
        kind: of photos.
        trained: whether the weights are.
        rows: the contestants.
        limits: the machine's, measured once in every run: other programs may slow it down meanwhile.
    """

    model: str
    embedding: str
    kind: str
    trained: bool
    rows: list[Row]
    limits: list[Limit]

    @property
    def ours(self) -> Row:
        """BigNet's row."""
        return next(row for row in self.rows if row.name == "bignet")

    @property
    def share(self) -> float:
        """BigNet's rate as a share of the limit."""
        return self.bound("rate")[1]

    def bound(self, name: str) -> tuple[float, float]:
        """A field of Limit -> its median, and the median of BigNet's rate over it, run by run."""
        bounds = [getattr(limit, name) for limit in self.limits]
        shares = [rate / bound for rate, bound in zip(self.ours.rates, bounds, strict=True)]
        return statistics.median(bounds), statistics.median(shares)


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(N, D) and (N, D) -> (N,)."""
    left, right = left.astype(np.float64), right.astype(np.float64)
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return np.einsum("nd,nd->n", left, right) / lengths


def unlike(vectors: np.ndarray) -> float:
    """(N, D) -> the median cosine of a photo to another one: what the contestants' cosines are to be held against."""
    return float(np.median(cosines(vectors, np.roll(vectors, 1, axis=0))))


def ratio(ours: Row, theirs: Row) -> float:
    """How often BigNet is as fast: the median over the runs, each with its own neighbour in time."""
    return statistics.median(a / b for a, b in zip(ours.rates, theirs.rates, strict=True))


BOUNDS = {
    "limit: network alone": "forward",
    "limit: decoding alone": "decode",
    "limit: both on the same cores": "rate",
}
HEADER = ("contestant", "img/s", "[min-max]", "BigNet is", "CPU ms/img", "min cosine")


def cells(result: Result) -> list[tuple[str, ...]]:
    """A line for each contestant, and one each for what bounds them."""
    lines = []
    for row in result.rows:
        name = FULL_NAMES[row.name]
        if row.name == "bignet":
            name += f", {result.limits[0].precision}, decode {result.limits[0].decoder}"
        spread = f"[{min(row.rates):.1f}-{max(row.rates):.1f}]"
        times = f"{ratio(result.ours, row):.2f}x"
        cpu_ms = f"{statistics.median(row.cpu_ms):.1f}"
        lines.append((name, f"{row.rate:.1f}", spread, times, cpu_ms, f"{row.min_cosine:.7f}"))
    for name, field_name in BOUNDS.items():
        rate, share = result.bound(field_name)
        lines.append((name, f"{rate:.1f}", "", f"{share:.2f}x", "", ""))
    if result.limits[0].openvino is not None:
        rate = statistics.median(limit.openvino or 0 for limit in result.limits)
        share = statistics.median(limit.openvino_ratio or 0 for limit in result.limits)
        lines.append(("OpenVINO bf16, network alone (to BigNet's)", f"{rate:.1f}", "", f"{share:.2f}x", "", ""))
    return lines


def title(result: Result) -> str:
    """What was raced over."""
    weights = "trained weights" if result.trained else "random weights"
    return f"{result.model}, {result.embedding}, {weights}, {result.ours.n_images:,} {result.kind} photos"


def text_lines(result: Result) -> list[str]:
    """The table for a terminal."""
    rows = [HEADER, *cells(result)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = [
        "  ".join(f"{cell:{'<' if not column else '>'}{widths[column]}}" for column, cell in enumerate(row)).rstrip()
        for row in rows
    ]
    return [title(result), *lines, *notes(result)]


def notes(result: Result) -> list[str]:
    """What a reader must know to trust the table."""
    squashed = [row.own_min_cosine for row in result.rows if row.own_min_cosine is not None]
    found = [
        f"BigNet runs at {result.share:.0%} of the limit.",
        f"Different photos have a median cosine of {result.ours.unlike:.4f} to one another.",
    ]
    rows = {row.name: row for row in result.rows}
    if "bignet-fp32" in rows:
        others = [name for name in ("recipe", "img2vec") if name in rows]
        times = " and ".join(f"{ratio(rows['bignet-fp32'], rows[name]):.2f}x {FULL_NAMES[name]}" for name in others)
        found.append(f"In fp32 BigNet is {times}.")
    if squashed:
        found.append(
            "img2vec presses the whole picture into a square where the others cut the middle out; its cosine above is "
            f"of the others' squares, untimed; of its own it is {squashed[0]:.4f}."
        )
    return found


def markdown(results: list[Result], machine: str, n_runs: int) -> str:
    """The file that README quotes."""
    often = "once" if n_runs == 1 else f"{n_runs} times"
    lines = [
        "# Extraction: images a second",
        "",
        "Written by `python benchmarks/extract.py`. Same photos, same weights, same layer; every contestant in a fresh",
        f"process, in turn, {often}; the median, start-up left out, BigNet's store written. The cosine is the",
        "smallest one of any photo to the recipe's vector; CPU is the processor time of all cores together.",
        "",
        f"Machine: {machine}.",
    ]
    for result in results:
        lines += [
            "",
            f"## {title(result)}",
            "",
            f"| {' | '.join(HEADER)} |",
            "| --- | ---: | :---: | ---: | ---: | ---: |",
        ]
        lines += [f"| {' | '.join(row)} |" for row in cells(result)]
        lines += ["", *notes(result)]
    return "\n".join(lines) + "\n"
