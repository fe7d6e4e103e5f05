"""``bignet import``: vectors that another encoder made in, a store out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bignet.cli.console import Bar, Notices, counted, duration, grouped, pasted, say, say_json, search_hint
from bignet.errors import ExitCode
from bignet.units import size

if TYPE_CHECKING:
    from bignet.importer.run import Outcome
    from bignet.importer.vectors import VectorFile

NAME = "import"
PANEL = "Embed"
_BESIDE = "Beside the vectors (text with one a line, .npy, .csv or .parquet)"


def command(
    vectors: Annotated[
        str, typer.Argument(help=".npy of shape (vectors, dims), or .parquet with a column of lists, both of floats.")
    ],
    store: Annotated[str, typer.Argument(help="Folder of the store to make.")],
    name: Annotated[str, typer.Option(help="What the embedding is called in the store.")] = "vectors",
    encoder: Annotated[
        str, typer.Option(help="What made the vectors, such as 'CLIP ViT-B/32'; part of the fingerprint.")
    ] = "",
    column: Annotated[
        str | None, typer.Option(help="Column of vectors.  [default: the only one of lists of floats]")
    ] = None,
    storage: Annotated[str, typer.Option(help="float32 or float16 (half the bytes).")] = "float32",
    paths: Annotated[
        str | None,
        typer.Option(
            help="A path for each vector.  [default: column path of VECTORS, else the ids]",
            rich_help_panel=_BESIDE,
        ),
    ] = None,
    ids: Annotated[
        str | None,
        typer.Option(
            help="An id for each vector.  [default: column id of VECTORS, else 0, 1, 2, ...]",
            rich_help_panel=_BESIDE,
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            help="A label for each vector, empty for none.  [default: column label of VECTORS, else none]",
            rich_help_panel=_BESIDE,
        ),
    ] = None,
    images: Annotated[
        str | None,
        typer.Option(
            help="Folder the paths start from; digests and sizes are read from its pictures.  "
            "[default: the folder of the file with the paths]",
            rich_help_panel="Pictures",
        ),
    ] = None,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print the summary as JSON.", rich_help_panel="Output")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No notices.", rich_help_panel="Output")] = False,
) -> None:
    """Make a store of vectors that another encoder made, such as CLIP or DINO: for search, index and report.

    \b
    bignet import vectors.npy clip.bignet --paths paths.txt --name clip --encoder "CLIP ViT-B/32"
    bignet import vectors.parquet dino.bignet --name dino --images photos
    """
    from bignet import api

    notices = Notices(quiet=quiet or json_output)
    with notices.only_ours():
        screen = _Screen(notices)
        try:
            api.import_vectors(
                vectors,
                store,
                name=name,
                encoder=encoder,
                column=column,
                storage=storage,
                paths=paths,
                ids=ids,
                labels=labels,
                images=images,
                listener=screen,
            )
        finally:
            screen.close()
    outcome = screen.outcome
    if outcome is None:
        raise RuntimeError("an import ended without an outcome")
    if json_output:
        say_json(_as_json(store, outcome))
    else:
        _describe(store, outcome)
    if outcome.rejected:
        raise typer.Exit(ExitCode.SOME_REJECTED)


class _Screen:
    """Shows an import while it runs, and keeps what came of it."""

    def __init__(self, notices: Notices) -> None:
        self._notices = notices
        self._bar = Bar(notices, "importing", "vectors")
        self.outcome: Outcome | None = None

    def opened(self, vectors: VectorFile) -> None:
        """What was found."""
        from bignet.names import visible

        what = f"{counted(vectors.rows, 'vector')} of {counted(vectors.dims, 'dim')} ({vectors.dtype})"
        self._notices.note(f"{what} in {visible(str(vectors.path))}")

    def advanced(self, n_done: int, n_total: int) -> None:
        """How far it is."""
        self._bar.advanced(n_done, n_total)

    def finished(self, outcome: Outcome) -> None:
        """What came of it."""
        self.outcome = outcome

    def close(self) -> None:
        """Take the progress bar away."""
        self._bar.close()


def _describe(store: str, outcome: Outcome) -> None:
    name, spec = pasted(store), outcome.embedding
    if not outcome.done:
        say(f"nothing to do: {name} holds just these vectors already")
    else:
        done = f"{grouped(outcome.rows)} imported as '{spec.name}'{_rejections(name, outcome)}"
        say(f"{done} in {duration(outcome.seconds)}")
    kept = f"{counted(spec.dims, 'dim')}, {spec.dtype}, fingerprint {spec.fingerprint}"
    say(f"{name}: {counted(outcome.rows, 'row')}, {size(outcome.n_bytes)}, {kept}")
    if outcome.rows:
        say(f"next: bignet index {name} · {search_hint(store)} · bignet report {name} -o report")
    elif outcome.rejected:
        say(f"next: bignet info {name} --rejected, mend the vectors and import them into another folder")


def _rejections(name: str, outcome: Outcome) -> str:
    if not outcome.rejected:
        return ""
    return f", {grouped(outcome.rejected)} rejected (not finite or all zero; list: bignet info {name} --rejected)"


def _as_json(store: str, outcome: Outcome) -> dict[str, object]:
    spec = outcome.embedding
    return {
        "store": store,
        "done": outcome.done,
        "rows": outcome.rows,
        "rejected": outcome.rejected,
        "bytes": outcome.n_bytes,
        "seconds": round(outcome.seconds, 3),
        "embedding": spec.as_json() | {"name": spec.name, "fingerprint": spec.fingerprint},
    }
