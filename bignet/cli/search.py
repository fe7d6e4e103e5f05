"""``bignet search``: the images most similar to a query."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bignet.cli.answers import draw, page, print_answers, print_folder
from bignet.cli.console import Bar, Notices, partial_warning, say
from bignet.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bignet.search.results import Answer
    from bignet.search.searcher import Searcher
    from bignet.search.settings import SearchSettings

NAME = "search"
PANEL = "Search"
_FILTER, _MANY, _OUTPUT, _INDEX = "Which hits", "Several queries", "Output", "Index and network"


def command(
    store: Annotated[str, typer.Argument(help="Folder of the store.")],
    query: Annotated[
        list[str] | None,
        typer.Argument(
            help="Image file, stored path or id; id:N and path:P say which. Several are answered in turn; with weights "
            "(a.jpg:1 b.jpg:-0.5) they are one query.",
            show_default=False,
        ),
    ] = None,
    k: Annotated[
        int | None,
        typer.Option("-k", min=1, help="Hits a query.  [default: 10; with --threshold all]", show_default=False),
    ] = None,
    embedding: Annotated[
        str | None, typer.Option("--embedding", "-e", help="Which embedding.  [default: the store's first]")
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(
            help="SQL condition that hits meet, over id, path, sha256, bytes, width, height, mtime_ns, label.",
            rich_help_panel=_FILTER,
        ),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Only hits with at least this score.", rich_help_panel=_FILTER)
    ] = None,
    group_by: Annotated[
        str | None,
        typer.Option(
            "--group-by",
            metavar="COLUMN",
            help="Only the best hit for each value of a column, or of an SQL expression.",
            rich_help_panel=_FILTER,
        ),
    ] = None,
    exclude_self: Annotated[
        bool,
        typer.Option("--exclude-self", help="Leave the query itself out of its answer.", rich_help_panel=_FILTER),
    ] = False,
    expand: Annotated[
        int,
        typer.Option(
            min=0,
            help="Average the query with so many of its best hits, weighted by score cubed, and search again.",
            rich_help_panel=_FILTER,
        ),
    ] = 0,
    combine: Annotated[
        bool,
        typer.Option("--combine", help="One query of all, each of weight 1 if it has none.", rich_help_panel=_MANY),
    ] = False,
    queries: Annotated[
        str | None,
        typer.Option(
            "--queries", metavar="FOLDER", help="Every image of a folder as a query; needs -o.", rich_help_panel=_MANY
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help="Their answers: FILE.parquet or .jsonl.", rich_help_panel=_MANY
        ),
    ] = None,
    sheet: Annotated[
        str | None,
        typer.Option("--sheet", help="Also draw the answers: FILE.jpg, .png or .webp.", rich_help_panel=_OUTPUT),
    ] = None,
    html: Annotated[
        str | None,
        typer.Option("--html", help="Also a page with the pictures: FILE.html.", rich_help_panel=_OUTPUT),
    ] = None,
    images: Annotated[
        str | None,
        typer.Option("--images", help="Where the pictures are now, if they moved.", rich_help_panel=_OUTPUT),
    ] = None,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print the answers as JSON.", rich_help_panel=_OUTPUT)
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No notices.", rich_help_panel=_OUTPUT)] = False,
    exact: Annotated[
        bool,
        typer.Option("--exact", help="Search the vectors themselves, not the index.", rich_help_panel=_INDEX),
    ] = False,
    stale_ok: Annotated[
        bool,
        typer.Option("--stale-ok", help="Allow an index older than the store.", rich_help_panel=_INDEX),
    ] = False,
    allow_partial: Annotated[
        bool,
        typer.Option(
            "--allow-partial", help="Leave damaged shards out, compare all other rows.", rich_help_panel=_INDEX
        ),
    ] = False,
    weights: Annotated[
        str | None,
        typer.Option("--weights", help="Where the weights are now, if they moved.", rich_help_panel=_INDEX),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.", rich_help_panel=_INDEX)] = "auto",
) -> None:
    """Find the images most similar to an image; scores are exact cosine similarities.

    \b
    bignet search photos.bignet query.jpg -k 10
    bignet search photos.bignet id:12 cats/tom.jpg --exclude-self --html answers.html
    bignet search photos.bignet beach.jpg:1 people.jpg:-0.5
    bignet search photos.bignet query.jpg --where "label = 'cat' AND width >= 500"
    bignet search photos.bignet query.jpg --threshold 0.9 --group-by label
    bignet search photos.bignet --queries new-photos -o answers.parquet
    """
    from bignet.search.searcher import Searcher
    from bignet.search.settings import Opening, SearchSettings
    from bignet.store.snapshot import Snapshot

    drawn = [name for name in (sheet, html) if name is not None]
    _check(query or [], queries, out, drawn, combine=combine)
    _check_endings(sheet, html, out)
    settings = SearchSettings(k, threshold, where, group_by, expand, exclude_self)
    notices = Notices(quiet=quiet or json_output)
    with Snapshot.open(store, allow_partial=allow_partial) as snapshot:
        if snapshot.left_out is not None:
            notices.note(partial_warning(store, snapshot.left_out))
        searcher = Searcher(snapshot, Opening(embedding, exact, stale_ok, weights, device))
        if queries is not None and out is not None:
            _answer_folder(searcher, queries, Path(out), settings, notices, json_output=json_output)
            return
        answers = _answer(searcher, query or [], settings, notices, combine=combine)
        with_group = group_by is not None
        print_answers(answers, notices, as_json=json_output, with_group=with_group, left_out=snapshot.left_out)
        if sheet is not None:
            draw(snapshot, answers, Path(sheet), images, notices)
        if html is not None:
            page(searcher, answers, Path(html), images, settings)
    if drawn and not json_output:
        say(f"sheet: {' · '.join(drawn)}")


def _check(query: Sequence[str], queries: str | None, out: str | None, drawn: Sequence[str], *, combine: bool) -> None:
    """What cannot be asked for together."""
    if queries is None and not query:
        raise UsageError("there is no query; give an image file, a stored path or an id, or --queries FOLDER")
    if (queries is None) != (out is None):
        raise UsageError("--queries and -o go together; give a folder of images and the file for their answers")
    if queries is not None and (query or drawn or combine):
        what = "other queries" if query else "--combine" if combine else "--sheet or --html"
        raise UsageError(f"--queries does not go with {what}; answer a folder by itself")


def _check_endings(sheet: str | None, html: str | None, out: str | None) -> None:
    """Whether everything can be written where it is wanted, before the work for it is done."""
    if sheet is not None:
        from bignet.reporting.sheet import format_of

        format_of(Path(sheet))
    if html is not None:
        from bignet.reporting.answers import check_ending as check_page

        check_page(Path(html))
    if out is not None:
        from bignet.search.table import check_ending

        check_ending(Path(out))


def _answer(
    searcher: Searcher, texts: Sequence[str], settings: SearchSettings, notices: Notices, *, combine: bool
) -> list[Answer]:
    with notices.only_ours():
        read = searcher.reader.read_all(texts, combine=combine)
        return searcher.answer_all(read, settings)


def _answer_folder(
    searcher: Searcher, folder: str, out: Path, settings: SearchSettings, notices: Notices, *, json_output: bool
) -> None:
    from bignet.search.folder import search_folder

    with notices.only_ours():
        bar = Bar(notices, "searching", "img")
        try:
            summary = search_folder(searcher, folder, out, settings, bar)
        finally:
            bar.close()
    print_folder(summary, as_json=json_output, left_out=searcher.snapshot.left_out)
    if summary.n_rejected:
        raise typer.Exit(ExitCode.SOME_REJECTED)
