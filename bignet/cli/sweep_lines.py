"""What ``bignet sweep`` prints: the choices, the recommendation, what was not tried, where everything is."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from bignet.cli.console import counted, duration, pasted, table, typed
from bignet.cli.report_lines import number
from bignet.names import shorten, visible
from bignet.units import size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bignet.evaluate.sweep.result import Scored, Sweep
    from bignet.sweep_job import SweepDone

_SHOWN = 12
_NAME_WIDTH = 48
_LONG = 0.03  # share of the time that a stage is named from


def front(sweep: Sweep) -> list[str]:
    """The best choices and those recommended, the best first: score, speed, size."""
    taken = {item.name for item in sweep.recommendations}
    shown = [item for place, item in enumerate(sweep.scored) if place < _SHOWN or item.choice.name in taken]
    rows = [_row(item, sweep) for item in shown]
    header = ("choice", sweep.ranking, "interval", "to best", "img/s", "from-to", "dims", "bytes", "notes")
    more = len(sweep.scored) - len(shown)
    lines = table(header, rows, "lrrrrrrrl")
    return [*lines, f"and {more:,} more on the page"] if more else lines


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
    notes += ["tied with the best"] if item.tied and item.to_best is not None else []
    notes += ["front"] if item.on_front else []
    return notes + ([] if item.choice.trained else ["untrained"])


def recommended(sweep: Sweep) -> list[str]:
    """Which to take, and why."""
    if not sweep.recommendations:
        return ["nothing can be recommended: no choice has a score"]
    return [f"{item.preset}: {visible(item.name)}. {item.reason}" for item in sweep.recommendations]


def dropped(sweep: Sweep) -> list[str]:
    """How many combinations were not tried, by reason."""
    if not sweep.dropped:
        return []
    too_long = sum(item.dims is not None for item in sweep.dropped)
    reasons = Counter({"too long or no shorter": too_long, "not defined there": len(sweep.dropped) - too_long})
    parts = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items() if count)
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
