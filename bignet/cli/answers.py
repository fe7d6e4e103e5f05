"""What ``bignet search`` prints and draws."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING

from bignet.cli.console import counted, duration, grouped, missing_images, pasted, say, say_json, table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bignet.cli.console import Notices
    from bignet.reporting.answers import ShownAnswer
    from bignet.reporting.sheet import SheetRow
    from bignet.search.folder import FolderSummary
    from bignet.search.results import Answer, Hit
    from bignet.search.searcher import Searcher
    from bignet.search.settings import SearchSettings
    from bignet.store.snapshot import Snapshot
    from bignet.store.verify import LeftOut


def print_answers(
    answers: Sequence[Answer], notices: Notices, *, as_json: bool, with_group: bool, left_out: LeftOut | None = None
) -> None:
    """The answers on stdout, how they were found on stderr; as JSON both on stdout."""
    if as_json:
        say_json([_as_json(answer, with_group=with_group) | _lacking(left_out) for answer in answers])
        return
    for number, answer in enumerate(answers):
        if number:
            say()
        for line in _lines(answer, with_group=with_group):
            say(line)
    for how in dict.fromkeys(str(answer.searched) for answer in answers):
        notices.note(f"searched: {how}")


def _lines(answer: Answer, *, with_group: bool) -> list[str]:
    from bignet.names import visible

    first = f"query: {visible(answer.query.text)}"
    if not answer.hits:
        return [
            first,
            f"no hits among {counted(answer.searched.rows, 'row')}" if answer.searched.rows else "no row matches",
        ]
    with_group = with_group and any(hit.group != hit.label for hit in answer.hits)
    header = ("rank", "score", "label", "path", "id") + (("group",) if with_group else ())
    rows = [
        (str(rank), f"{hit.score:.3f}", visible(hit.label or "-"), visible(hit.path), str(hit.id))
        + ((_group(hit),) if with_group else ())
        for rank, hit in enumerate(answer.hits, start=1)
    ]
    return [first, *table(header, rows, right="rrllrl")]


def _group(hit: Hit) -> str:
    from bignet.names import visible

    return "-" if hit.group is None else visible(str(hit.group))


def _as_json(answer: Answer, *, with_group: bool) -> dict[str, object]:
    names = ("id", "path", "score", "label") + (("group",) if with_group else ())
    hits = [{name: getattr(hit, name) for name in names} for hit in answer.hits]
    return {"query": answer.query.text, "neighbors": hits, "searched": _how(answer)}


def _how(answer: Answer) -> dict[str, object]:
    return {"by": str(answer.searched), **asdict(answer.searched)}


def _lacking(left_out: LeftOut | None) -> dict[str, object]:
    return {} if left_out is None else {"left_out": asdict(left_out)}


def print_folder(summary: FolderSummary, *, as_json: bool, left_out: LeftOut | None = None) -> None:
    """What became of a folder of queries."""
    if as_json:
        counts = {"reasons": dict(summary.reasons), "searched": dict(summary.searched)}
        numbers = {
            name: getattr(summary, name) for name in ("n_queries", "n_answered", "n_rejected", "n_hits", "seconds")
        }
        say_json({"out": str(summary.out), **numbers, **counts, **_lacking(left_out)})
        return
    say(f"{counted(summary.n_queries, 'query', 'queries')}: {', '.join(_outcomes(summary))}")
    for how, count in summary.searched.most_common():
        say(f"searched: {how} ({counted(count, 'query', 'queries')})")
    rate = summary.n_queries / max(summary.seconds, 1e-9)
    say(f"{duration(summary.seconds)} · {rate:,.0f} queries/s")
    say(f"{pasted(summary.out)}: {counted(summary.n_hits, 'hit')}")


def _outcomes(summary: FolderSummary) -> list[str]:
    """``6 answered``, ``1 without hits``, ``3 rejected (2 truncated, 1 corrupt)``."""
    from bignet.search.table import NOTHING_FOUND

    parts = [f"{grouped(summary.n_answered)} answered"]
    if summary.reasons[NOTHING_FOUND]:
        parts.append(f"{grouped(summary.reasons[NOTHING_FOUND])} without hits")
    if summary.n_rejected:
        rejected = [(reason, count) for reason, count in summary.reasons.most_common() if reason != NOTHING_FOUND]
        listed = ", ".join(f"{count:,} {reason}" for reason, count in rejected)
        parts.append(f"{grouped(summary.n_rejected)} rejected ({listed}; their rows say why)")
    return parts


def draw(snapshot: Snapshot, answers: Sequence[Answer], out: Path, images: str | None, notices: Notices) -> None:
    """The contact sheet."""
    from bignet.reporting.sheet import contact_sheet

    root = snapshot.image_root(images)
    if not root.is_dir():
        notices.note(missing_images(root))
    contact_sheet([_row(answer, root) for answer in answers], out)


def _row(answer: Answer, root: Path) -> SheetRow:
    from bignet.reporting.sheet import SheetRow, SheetTile

    tiles = tuple(SheetTile(hit.path, _bytes_of(root / hit.path), hit.score, hit.label) for hit in answer.hits)
    own = answer.query.images
    return SheetRow(answer.query.text, _bytes_of(root / own[0]) if own else None, tiles)


def _bytes_of(path: Path) -> bytes | None:
    from bignet.images import RejectedImage, read_image_file

    try:
        return read_image_file(path).data
    except RejectedImage:
        return None


def page(
    searcher: Searcher, answers: Sequence[Answer], out: Path, images: str | None, settings: SearchSettings
) -> None:
    """The page with the pictures."""
    from bignet.reporting.answers import AnswersSource, write_answers

    snapshot = searcher.snapshot
    source = AnswersSource(
        store_name=snapshot.path.resolve().name,
        embedding=searcher.spec.name,
        image_root=snapshot.image_root(images),
        facts=(*_facts(settings), *_left_out(snapshot)),
        answers=tuple(_shown(answer) for answer in answers),
    )
    write_answers(source, out)


def _left_out(snapshot: Snapshot) -> list[tuple[str, str]]:
    return [] if snapshot.left_out is None else [("warning", str(snapshot.left_out))]


def _shown(answer: Answer) -> ShownAnswer:
    from bignet.reporting.answers import ShownAnswer, ShownHit

    hits = tuple(
        ShownHit(hit.id, os.fsencode(hit.path), hit.score, hit.label, None if hit.group is None else str(hit.group))
        for hit in answer.hits
    )
    images = tuple(os.fsencode(image) for image in answer.query.images)
    return ShownAnswer(answer.query.text, images, hits, str(answer.searched))


def _facts(settings: SearchSettings) -> tuple[tuple[str, str], ...]:
    """What was asked for besides the query."""
    asked = {
        "where": settings.where,
        "score at least": settings.threshold,
        "best of each": settings.group_by,
        "averaged with its best hits": settings.expand or None,
        "without": "the query itself" if settings.exclude_self else None,
    }
    return tuple((name, str(value)) for name, value in asked.items() if value is not None)
