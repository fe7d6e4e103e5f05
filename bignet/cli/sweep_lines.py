"""What ``bignet sweep`` prints: the choices, the recommendation, what was not tried, where everything is."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from bignet.cli.console import counted, duration, pasted, table, typed
from bignet.cli.report_lines import number
from bignet.evaluate.sweep.trade import n_compared, unresolved
from bignet.names import shorten, visible
from bignet.units import size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bignet.evaluate.sweep.result import Recommendation, Scored, Sweep
    from bignet.sweep_job import SweepDone

_SHOWN = 12
_NAME_WIDTH = 48
_LONG = 0.03  # share of the time that a stage is named from
_NOT_TOLD = "not told apart"


def front(sweep: Sweep) -> list[str]:
    """The choices with the highest scores and those recommended: score, speed, size; then which score that is."""
    taken = {name for item in sweep.recommendations for name in (item.name, item.runner_up)}
    ordered = sorted(sweep.scored, key=lambda item: -(item.reported.value or 0.0))
    shown = [item for place, item in enumerate(ordered) if place < _SHOWN or item.choice.name in taken]
    rows = [_row(item, sweep) for item in shown]
    header = ("choice", sweep.ranking, "interval", "to best", "img/s", "from-to", "dims", "bytes", "notes")
    more = len(sweep.scored) - len(shown)
    lines = table(header, rows, "lrrrrrrrl")
    lines += [f"and {more:,} more on the page"] if more else []
    return [*lines, *_which_score(sweep), *_not_told(sweep, shown)]


def _which_score(sweep: Sweep) -> list[str]:
    """The images that the scores are of, and the same score over all."""
    best = next(iter(sweep.scored), None)
    if best is None or best.reported.value is None:
        return []
    if best.reported.params.get("images") == "all images":
        return [f"{sweep.ranking}: on all images, which also chose: there are too few for two halves"]
    queries = counted(best.reported.n_queries, "query", "queries")
    overall = best.metrics[sweep.ranking].value if sweep.ranking in best.metrics else None
    more = "" if overall is None else f"; on all {len(sweep.ids):,} images {best.choice.name} has {number(overall)}"
    return [f"{sweep.ranking}: on the half of the images that had no say in the choice, {queries}{more}"]


def _not_told(sweep: Sweep, shown: Sequence[Scored]) -> list[str]:
    """What the note says of choices whose own interval leaves out 0."""
    if not any(map(unresolved, shown)):
        return []
    n = counted(n_compared(sweep.scored), "comparison")
    return [
        f"{_NOT_TOLD}: from the best, once corrected for {n}, of which some differ by luck; more images would decide"
    ]


def _row(item: Scored, sweep: Sweep) -> tuple[str, ...]:
    found, speed = item.reported, item.cost.images_s_end2end
    return (
        shorten(visible(item.choice.name), _NAME_WIDTH),
        number(found.value),
        "-" if found.lo is None or found.hi is None else f"{number(found.lo)}-{number(found.hi)}",
        "-" if item.to_best is None or item.to_best.value is None else f"{item.to_best.value:+.3f}",
        "-" if speed is None else f"{speed:,.0f}",
        "-" if speed is None else "-".join(f"{end:,.0f}" for end in item.cost.speed),
        f"{item.choice.dims:,}",
        f"{item.cost.bytes_per_vector:,}",
        ", ".join(_notes(item, sweep)),
    )


def _notes(item: Scored, sweep: Sweep) -> list[str]:
    notes = [each.preset for each in sweep.recommendations if each.name == item.choice.name]
    if item.tied and item.to_best is not None:
        notes.append(_NOT_TOLD if unresolved(item) else "tied with the best")
    notes += ["front"] if item.on_front else []
    return notes + ([] if item.choice.trained else ["untrained"])


def recommended(sweep: Sweep) -> list[str]:
    """Which to take, why, and what would change it; presets that take the same choice stand together."""
    if not sweep.recommendations:
        return ["nothing can be recommended: no choice has a score"]
    by_name: dict[str, list[Recommendation]] = {}
    for item in sweep.recommendations:
        by_name.setdefault(item.name, []).append(item)
    return [line for found in by_name.values() for line in _taken(found)]


def _taken(found: Sequence[Recommendation]) -> list[str]:
    balanced = next((item for item in found if item.preset == "balanced"), found[0])
    presets = ", ".join(item.preset for item in found)
    changes: dict[str, list[str]] = {}
    for item in found:
        changes.setdefault(item.changes, []).append(item.preset)
    would = [f"  would change {', '.join(names)}: {text[:1].lower()}{text[1:]}" for text, names in changes.items()]
    return [f"{presets}: {visible(balanced.name)}", f"  {visible(balanced.reason)}", *map(visible, would)]


def dropped(sweep: Sweep) -> list[str]:
    """How many combinations were not tried, by reason."""
    if not sweep.dropped:
        return []
    reasons = Counter(item.why for item in sweep.dropped)
    parts = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common())
    return [f"{counted(len(sweep.dropped), 'combination')} not tried: {parts}; the page lists each"]


def time_line(stages: Mapping[str, float], seconds: float) -> str:
    """How long it took, stage by stage; short ones are told together, so that the parts make the whole."""
    told = {name: spent for name, spent in stages.items() if spent >= _LONG * seconds}
    parts = [f"{name} {duration(spent)}" for name, spent in told.items()]
    rest = seconds - sum(told.values())
    return " · ".join([duration(seconds), *parts, *([f"the rest {duration(rest)}"] if told else [])])


def written(done: SweepDone) -> str:
    """Where everything is."""
    page = size(done.files.html.stat().st_size)
    stores = counted(len(done.stores), "store")
    return f"sweep: {pasted(done.files.html)} ({page}; beside it sweep.json, sweep.parquet and {stores} in stores)"


def next_command(done: SweepDone, images: str) -> str:
    """What to type next: embed everything with the balanced choice's store, or search it."""
    sweep = done.sweep
    taken = next((item for item in sweep.recommendations if item.preset == "balanced"), None)
    if taken is None:
        return typed(["bignet", "sweep", images, "-o", str(done.files.folder), "--labels", "labels.csv"])
    choice = sweep.named(taken.name).choice
    store = str(done.files.folder / choice.store)
    return typed(["bignet", "report", store, "--embedding", choice.embedding, "-o", "report"])
