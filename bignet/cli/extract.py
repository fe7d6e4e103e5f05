"""``bignet extract``: images in, a store of embeddings out."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from bignet.cli.console import Notices, counted, duration, grouped, pasted, say, say_json, size
from bignet.errors import ExitCode

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from bignet.api import Store
    from bignet.extractor.encoder import Encoder
    from bignet.extractor.plan import Plan
    from bignet.extractor.run import Summary
    from bignet.extractor.sources import Scan

NAME = "extract"
PANEL = "Embed"


def command(
    images: Annotated[str, typer.Argument(help="Folder (searched recursively) or text file with a path on each line.")],
    store: Annotated[str, typer.Argument(help="Folder of the store; made, or brought up to date.")],
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Backbone, see `bignet models`.  [default: resnet50]")
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option("--weights", "-w", help="default, random:SEED, or a .safetensors or .pth file."),
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option("--layer", "-l", help="Layer, see `bignet layers`; repeat for several."),
    ] = None,
    pool: Annotated[
        list[str] | None,
        typer.Option("--pool", "-p", help="gap, max, gem:p, avg:k, flat; repeat.  [default: gap]"),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.", rich_help_panel="Machine")] = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="Images a pass.", rich_help_panel="Machine")] = 32,
    workers: Annotated[
        int, typer.Option(min=0, help="Decoding threads; 0 = one a core.", rich_help_panel="Machine")
    ] = 0,
    image_timeout: Annotated[float, typer.Option(help="Seconds one image may take.", rich_help_panel="Machine")] = 60.0,
    shard_rows: Annotated[
        int, typer.Option(min=1, help="Images between two commits.", rich_help_panel="Re-runs")
    ] = 1000,
    rehash: Annotated[
        bool,
        typer.Option("--rehash", help="Compare contents, not only size and time.", rich_help_panel="Re-runs"),
    ] = False,
    retry_rejected: Annotated[
        bool, typer.Option("--retry-rejected", help="Try rejected images again.", rich_help_panel="Re-runs")
    ] = False,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print the summary as JSON.", rich_help_panel="Output")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No notices.", rich_help_panel="Output")] = False,
) -> None:
    """Embed a folder of images into a store; run again to bring it up to date.

    \b
    bignet extract photos photos.bignet
    bignet extract photos photos.bignet -m resnet18 -l layer3 -l layer4 -p gap -p gem:3
    """
    from bignet import api

    notices = Notices(quiet=quiet or json_output)
    with notices.only_ours():
        listener = Screen(notices)
        result = api.extract(
            images,
            store,
            model=model,
            weights=weights,
            layers=layer or (),
            pools=pool or (),
            device=device,
            batch_size=batch_size,
            workers=workers,
            image_timeout=image_timeout,
            shard_rows=shard_rows,
            rehash=rehash,
            retry_rejected=retry_rejected,
            listener=listener,
        )
        listener.close()
    summary = result.summary
    if summary is None:
        raise RuntimeError("an extraction ended without a summary")
    if json_output:
        say_json(_as_json(summary, result))
    else:
        describe(summary, result)
    if summary.total_rejected:
        raise typer.Exit(ExitCode.SOME_REJECTED)


_PASSED_OVER = {"hidden": "hidden", "linked_folders": "linked folder(s)", "stores": "BigNet store(s)"}


class Screen:
    """Shows an extraction while it runs."""

    def __init__(self, notices: Notices) -> None:
        self._notices = notices
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._start = 0.0

    def scanned(self, found: Scan, work: Plan) -> None:
        """How much there is to do."""
        removed = sum(map(len, work.gone.values())) + len(work.gone_rejected)
        parts = [f"{grouped(len(work.pending))} to do", f"{grouped(work.unchanged)} unchanged"]
        parts += [f"{grouped(removed)} no longer there"] if removed else []
        self._notices.note(f"{counted(len(found.entries), 'file')}: {', '.join(parts)}")
        passed = [f"{number:,} {_PASSED_OVER[kind]}" for kind, number in found.skipped.items() if number]
        if passed:
            self._notices.note(f"passed over: {', '.join(passed)}")

    def encoder_ready(self, encoder: Encoder) -> None:
        """What will be done."""
        spec = encoder.spec
        what = ", ".join(f"{head.spec.name} {grouped(head.spec.dims)} dims" for head in encoder.heads)
        self._notices.note(f"{spec.model} · {spec.weights_name} · {what} · {encoder.device} {spec.precision}")
        if spec.untrained:
            self._notices.note("note: the weights are random: the network is untrained, its neighbours mean little")
        for head in encoder.heads:
            if head.coverage < 1:
                share = f"{head.coverage:.0%} of the map"
                self._notices.note(f"note: {head.spec.name} uses {share}; its window does not divide the map's side")
        self._start = time.monotonic()

    def advanced(self, n_done: int, n_total: int) -> None:
        """How far it is."""
        if self._bar is None:
            self._bar = self._notices.progress()
            if self._bar is None:
                return
            self._bar.start()
            self._task = self._bar.add_task("embedding", total=n_total, rate="")
        if self._task is not None:
            rate = n_done / max(time.monotonic() - self._start, 1e-9)
            left = (n_total - n_done) / max(rate, 1e-9)
            text = f"{rate:,.0f} img/s  {int(left) // 60}:{int(left) % 60:02d} left"
            self._bar.update(self._task, completed=n_done, rate=text)

    def close(self) -> None:
        """Take the progress bar away."""
        if self._bar is not None:
            self._bar.stop()


def describe(summary: Summary, store: Store) -> None:
    """What came of it, where the time went, where the result is, what to do next."""
    say(_outcome_line(summary, store))
    if summary.decoded:
        say(_time_line(summary))
    n_embeddings = counted(len(summary.embeddings), "embedding")
    say(f"{summary.store}: {counted(summary.total_rows, 'row')}, {n_embeddings}, {size(summary.n_bytes)}")
    name = pasted(summary.store)
    say(f"next: bignet search {name} QUERY.jpg · bignet report {name} -o report")


def _outcome_line(summary: Summary, store: Store) -> str:
    parts = [f"{grouped(summary.decoded)} embedded"]
    if summary.copied:
        renamed = f" ({grouped(summary.renamed)} renamed)" if summary.renamed else ""
        parts.append(f"{grouped(summary.copied)} with bytes already embedded{renamed}")
    if summary.removed:
        parts.append(f"{grouped(summary.removed)} removed")
    parts.append(f"{grouped(summary.total_rows - summary.decoded - summary.copied)} unchanged")
    if summary.total_rejected:
        reasons = Counter(store.rejected()["reason"].to_pylist()).most_common()
        listed = ", ".join(f"{number:,} {reason}" for reason, number in reasons)
        how = f"list: bignet info {pasted(summary.store)} --rejected"
        parts.append(f"{grouped(summary.total_rejected)} rejected ({listed}; {how})")
    return ", ".join(parts)


def _time_line(summary: Summary) -> str:
    seconds = summary.seconds
    total = seconds["total"]
    working = max(total - seconds.get("scan", 0) - seconds.get("load model", 0), 1e-9)
    shares = [
        f"{name} {seconds.get(stage, 0.0) / working:.0%}"
        for stage, name in (("forward", "network"), ("wait", "waiting for pixels"), ("write", "writing"))
    ]
    decoding = f"decoding alongside {duration(seconds.get('decode', 0) + seconds.get('read', 0))}"
    return f"{duration(total)} · {summary.decoded / working:,.0f} img/s · {', '.join(shares)} · {decoding}"


def _as_json(summary: Summary, store: Store) -> dict[str, object]:
    return {
        "store": str(summary.store),
        "snapshot": summary.snapshot,
        "discovered": summary.discovered,
        "unchanged": summary.unchanged,
        "decoded": summary.decoded,
        "copied": summary.copied,
        "renamed": summary.renamed,
        "removed": summary.removed,
        "rejected": summary.rejected,
        "total_rows": summary.total_rows,
        "total_rejected": summary.total_rejected,
        "reasons": dict(Counter(store.rejected()["reason"].to_pylist())),
        "bytes": summary.n_bytes,
        "seconds": {name: round(value, 3) for name, value in summary.seconds.items()},
        "embeddings": [
            {"name": spec.name, "dims": spec.dims, "fingerprint": spec.fingerprint} for spec in summary.embeddings
        ],
    }
