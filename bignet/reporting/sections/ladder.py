"""Storage and index: what fewer bytes a vector, or a search that skips some, costs in neighbours and in scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bignet.evaluate.ladder.result import EXACT, INDEX, STORAGE
from bignet.names import shell_word
from bignet.reporting.numbers import NOTHING, brief, count, counted, decimals, figure, finite, percent, sentence, signed
from bignet.reporting.sections.charts import Axis, Chart, Dot, Line, Note, Reading, Tick, even_ticks, spaced
from bignet.reporting.sections.parts import Advice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bignet.evaluate.ladder.result import Ladder, Rung
    from bignet.reporting.facts import Facts

    _Point = tuple[Rung, float | None, float | None, float | None]

KEPT = 0.98  # house rules, printed under the table
MOVED = 0.005
_ROOM = 8.0  # percent of a figure's height for a name
_NEAR = 6.0  # percent of its width within which names would lie on each other
_INDEX_KINDS: dict[str, Callable[[Rung], str]] = {
    "fp16": lambda rung: "SQfp16",
    "bf16": lambda rung: "SQbf16",
    "int8": lambda rung: "SQ8",
    "sign": lambda rung: "bits:sign",
    "itq": lambda rung: f"bits:itq:{rung.params['bits']}",
    "ivf": lambda rung: "ivf",
    "hnsw": lambda rung: "hnsw",
}


@dataclass(frozen=True)
class RungLine:
    """One line of the table."""

    name: str
    what: str
    n_bytes: str
    overlap: str
    overlap_range: str
    p1: str
    change: str
    change_range: str
    tied: str
    single: str
    batch: str
    build: str
    reason: str
    passes: bool
    raw: dict[str, float | int | str | None]


def answer(found: Ladder) -> str:
    """The section's sentence: how small the vectors may get."""
    best = smallest(found)
    if best is None:
        return "Every smaller storage moves the neighbours or the scores: keep float32."
    share = (best.bytes_a_vector or 0.0) / (found.exact.bytes_a_vector or 1.0)
    stays = f"{percent(best.overlap.value)} of the {found.k} nearest in {percent(share)} of the bytes"
    kept = sentence(f"{best.name} {_verb(best)} {stays}")
    change = best.p1_change
    if change is None or change.value is None:
        return f"{kept}; no label says what that costs."
    return f"{kept}, and P@1 {'stays' if change.value == 0 else f'moves by {signed(change.value)}'}."


def advice(facts: Facts, found: Ladder) -> Advice:
    """What to do about it."""
    best, store = smallest(found), shell_word(facts.source.store_name)
    if best is None or best.id not in _INDEX_KINDS:
        return Advice("Leave the vectors as they are; an index makes searching faster.", f"bignet index {store}")
    kind = _INDEX_KINDS[best.id](best)
    return Advice(
        f"Where memory is short, search in {best.name}; float32 stays in the store.",
        f"bignet index {store} --kind {kind}",
    )


def smallest(found: Ladder) -> Rung | None:
    """The storage of fewest bytes that passes the house rule; None if none does."""
    able = [rung for rung in found.measured if rung.kind == STORAGE and rung.id != EXACT and passes(rung)]
    return min(able, key=lambda rung: (rung.bytes_a_vector or 0.0, rung.id), default=None)


def passes(rung: Rung) -> bool:
    """The house rule: enough neighbours stay, and P@1 surely moves by little where there are labels."""
    if rung.overlap.value is None or rung.overlap.value < KEPT:
        return False
    change = rung.p1_change
    if change is None or change.value is None:
        return True
    ends = (change.value if end is None else end for end in (change.lo, change.hi))
    return all(abs(end) <= MOVED for end in ends)


def rule(found: Ladder) -> str:
    """The house rule in words."""
    return (
        f"House rule: a storage will do that keeps {percent(KEPT)} of the {found.k} nearest and whose P@1, where there "
        f"are labels, moves by less than {MOVED:g} with its whole interval."
    )


def method(found: Ladder) -> str:
    """How it was measured."""
    asked = f"{counted(found.n_queries, 'query', 'queries')} among {counted(found.n_rows, 'vector')}"
    return (
        f"{asked} of {found.dims:,} dimensions ({found.estimator}), each without itself. Storages are compared as they "
        "are stored, on both sides; equal similarities count with the mean over their orders. Speed is of FAISS on one "
        "core of this machine, with settings that are not tuned; bignet index tunes them to a recall."
    )


def lines(found: Ladder) -> list[RungLine]:
    """Every rung."""
    return [_line(found, rung) for rung in found.rungs]


def overlap_chart(found: Ladder) -> Chart:
    """Bytes against the share of neighbours that stay."""
    points = [(rung, rung.overlap.value, rung.overlap.lo, rung.overlap.hi) for rung in found.measured]
    low = min(value for _, value, *_ in points if value is not None)
    y = Axis(max(0.0, low - 0.1), 1.0)
    words = "; ".join(f"{rung.name} {decimals(value)}" for rung, value, *_ in points)
    summary = f"Neighbours kept by bytes a vector: {words}."
    return _scatter("ladder-overlap", points, y, f"of the {found.k} nearest kept", summary, percent)


def change_chart(found: Ladder) -> Chart | None:
    """Bytes against what happens to P@1; None without labels."""
    points = [
        (rung, change.value, change.lo, change.hi)
        for rung in found.measured
        if (change := rung.p1_change) is not None and change.value is not None
    ]
    if not points:
        return None
    ends = [end for _, value, lo, hi in points for end in (value, lo, hi) if end is not None]
    y = Axis(min(-2 * MOVED, *ends), max(2 * MOVED, *ends))
    words = "; ".join(f"{rung.name} {signed(value)}" for rung, value, *_ in points)
    return _scatter("ladder-change", points, y, "change of P@1", f"Change of P@1 by bytes a vector: {words}.", signed)


def _scatter(
    name: str, points: Sequence[_Point], y: Axis, y_name: str, summary: str, said: Callable[[float | None], str]
) -> Chart:
    sizes = [rung.bytes_a_vector or 1.0 for rung, *_ in points]
    x = Axis(min(sizes) / 1.5, max(sizes) * 4, log=True)
    known = [(rung, value, lo, hi) for rung, value, lo, hi in points if value is not None]
    dots = [_dot(x, y, rung, value, lo, hi) for rung, value, lo, hi in known]
    return Chart(
        id=name,
        summary=summary,
        x_ticks=tuple(Tick(x.place(v), f"{v:,}") for v in (4**p for p in range(10)) if x.low <= v <= x.high),
        y_ticks=tuple(Tick(y.place(v), said(v) if v else "0") for v in even_ticks(y, 4)),
        x_name="bytes a vector",
        y_name=y_name,
        readings=tuple(
            Reading(dot.x, f"{rung.name}\n{_bytes(rung)} bytes\n{y_name}: {said(value)}")
            for dot, (rung, value, *_) in sorted(zip(dots, known, strict=True), key=lambda pair: pair[0].x)
        ),
        lines=tuple(
            Line("", "second" if rung.kind == INDEX else "", (dot,))
            for dot, (rung, *_) in zip(dots, known, strict=True)
        ),
        notes=_notes([rung.id for rung, *_ in known], dots),
    )


def _dot(x: Axis, y: Axis, rung: Rung, value: float, lo: float | None, hi: float | None) -> Dot:
    at, middle = x.place(rung.bytes_a_vector or 1.0), 100 - y.place(value)
    return Dot(at, middle) if lo is None or hi is None else Dot(at, middle, 100 - y.place(lo), 100 - y.place(hi))


def _notes(names: list[str], dots: list[Dot]) -> tuple[Note, ...]:
    """A name beside each dot; those of dots that are near each other are pushed apart."""
    order = sorted(range(len(dots)), key=lambda i: dots[i].x)
    columns: list[list[int]] = []
    for i in order:
        if columns and dots[i].x - dots[columns[-1][0]].x < _NEAR:
            columns[-1].append(i)
        else:
            columns.append([i])
    found = []
    for column in columns:
        places = spaced([dots[i].y for i in column], _ROOM)
        right = max(dots[i].x for i in column)
        found += [Note(right, max(0.0, place), names[i]) for i, place in zip(column, places, strict=True)]
    return tuple(found)


def _line(found: Ladder, rung: Rung) -> RungLine:
    overlap, change, timing = rung.overlap, rung.p1_change, found.timings.get(rung.id)
    single, batch, build = (None, None, None) if timing is None else (timing.single, timing.batch, timing.build)
    return RungLine(
        name=rung.name,
        what="index" if rung.kind == INDEX else "storage",
        n_bytes=_bytes(rung),
        overlap=decimals(overlap.value),
        overlap_range=_range(overlap.lo, overlap.hi, decimals),
        p1=decimals(rung.p1.value),
        change=NOTHING if change is None else signed(change.value),
        change_range="" if change is None else _range(change.lo, change.hi, signed),
        tied=NOTHING if rung.tie_rate is None else percent(rung.tie_rate),
        single=_rate(single),
        batch=_rate(batch),
        build=NOTHING if build is None else f"{figure(build)}\u00a0s",
        reason=rung.reason or "",
        passes=rung.id != EXACT and passes(rung),
        raw={
            "rung": rung.id,
            "bytes": brief(rung.bytes_a_vector),
            "overlap": brief(overlap.value),
            "p1": brief(rung.p1.value),
            "change": None if change is None else brief(change.value),
            "tied": brief(rung.tie_rate),
            "single": brief(single),
            "batch": brief(batch),
            "build": brief(build),
        },
    )


def _verb(rung: Rung) -> str:
    return "keep" if rung.name.endswith(("integers", "bits")) else "keeps"


def _range(lo: float | None, hi: float | None, said: Callable[[float | None], str]) -> str:
    return "" if finite(lo) is None or finite(hi) is None else f"{said(lo)} to {said(hi)}"


def _bytes(rung: Rung) -> str:
    return NOTHING if rung.bytes_a_vector is None else count(round(rung.bytes_a_vector))


def _rate(queries: float | None) -> str:
    return NOTHING if queries is None else count(round(float(f"{queries:.3g}")))
