"""``bignet search``: the images most similar to a query."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bignet.cli.console import Notices, missing_images, say, say_json, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bignet.query import Hit, Query
    from bignet.reporting.sheet import SheetRow
    from bignet.store.snapshot import Snapshot

NAME = "search"
PANEL = "Search"


def command(
    store: Annotated[str, typer.Argument(help="Folder of the store.")],
    query: Annotated[
        list[str],
        typer.Argument(help="Image file, stored path or id; id:N and path:P say which. Several are answered in turn."),
    ],
    k: Annotated[int, typer.Option("-k", min=1, help="Neighbours a query.")] = 10,
    embedding: Annotated[
        str | None, typer.Option("--embedding", "-e", help="Which embedding.  [default: the store's first]")
    ] = None,
    exclude_self: Annotated[
        bool, typer.Option("--exclude-self", help="Leave the query itself out of its answer.")
    ] = False,
    sheet: Annotated[
        str | None,
        typer.Option("--sheet", help="Also draw the answers: FILE.jpg, .png or .webp.", rich_help_panel="Output"),
    ] = None,
    images: Annotated[
        str | None,
        typer.Option("--images", help="Where the pictures are now, if they moved.", rich_help_panel="Output"),
    ] = None,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print the answers as JSON.", rich_help_panel="Output")
    ] = False,
    exact: Annotated[
        bool,
        typer.Option(
            "--exact",
            help="Search the vectors themselves, not the index.",
            rich_help_panel="Index and network",
        ),
    ] = False,
    stale_ok: Annotated[
        bool,
        typer.Option("--stale-ok", help="Allow an index older than the store.", rich_help_panel="Index and network"),
    ] = False,
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights", help="Where the weights are now, if they moved.", rich_help_panel="Index and network"
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda or cuda:N.", rich_help_panel="Index and network")
    ] = "auto",
) -> None:
    """Find the images most similar to an image, by exact cosine similarity.

    \b
    bignet search photos.bignet query.jpg -k 10
    bignet search photos.bignet id:12 cats/tom.jpg --exclude-self --sheet answers.jpg
    """
    from bignet.query import SearchSettings, search_all
    from bignet.store.snapshot import Snapshot

    settings = SearchSettings(k, embedding, exclude_self, exact, stale_ok, weights, device)
    with Snapshot.open(store) as snapshot:
        with Notices(quiet=json_output).only_ours():
            answers = search_all(snapshot, query, settings)
        if json_output:
            say_json([{"query": asked.text, "neighbors": [_as_json(hit) for hit in hits]} for asked, hits in answers])
        else:
            _print(answers)
        if sheet is not None:
            _draw(snapshot, answers, sheet, images)
    if sheet is not None and not json_output:
        say(f"sheet: {sheet}")


def _as_json(hit: Hit) -> dict[str, object]:
    return {"id": hit.id, "path": hit.path, "score": hit.score, "label": hit.label}


def _print(answers: Sequence[tuple[Query, list[Hit]]]) -> None:
    from bignet.reporting.names import visible

    for number, (asked, hits) in enumerate(answers):
        if number:
            say()
        say(f"query: {visible(asked.text)}")
        rows = [
            (str(rank), f"{hit.score:.3f}", visible(hit.label or "-"), visible(hit.path), str(hit.id))
            for rank, hit in enumerate(hits, start=1)
        ]
        for line in table(("rank", "score", "label", "path", "id"), rows, right="rrllr"):
            say(line)


def _draw(snapshot: Snapshot, answers: Sequence[tuple[Query, list[Hit]]], sheet: str, images: str | None) -> None:
    from bignet.reporting.sheet import contact_sheet

    root = snapshot.image_root(images)
    if not root.is_dir():
        Notices(quiet=False).note(missing_images(root))
    contact_sheet([_row(asked, hits, root) for asked, hits in answers], Path(sheet))


def _row(asked: Query, hits: list[Hit], root: Path) -> SheetRow:
    from bignet.reporting.sheet import SheetRow, SheetTile

    tiles = tuple(SheetTile(hit.path, _bytes_of(root / hit.path), hit.score, hit.label) for hit in hits)
    return SheetRow(asked.text, None if asked.image is None else _bytes_of(asked.image), tiles)


def _bytes_of(path: Path) -> bytes | None:
    from bignet.images import RejectedImage, read_image_file

    try:
        return read_image_file(path).data
    except RejectedImage:
        return None
