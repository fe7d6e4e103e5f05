"""What ``bignet sweep`` shows while it runs: what is tried, the extraction, then each stage."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bignet.cli.console import Bar, counted, grouped
from bignet.cli.stages import Stages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bignet.cli.console import Notices
    from bignet.extractor.encoder import Encoder
    from bignet.extractor.grid import Grid
    from bignet.extractor.plan import Plan
    from bignet.extractor.prove import Proof
    from bignet.extractor.sources import Scan

_EMBEDDING = "embedding"


class SweepScreen:
    """Shows a sweep while it runs; ``seconds`` has how long each stage took."""

    def __init__(self, notices: Notices) -> None:
        self._notices = notices
        self._stages = Stages(notices)
        self._bar = Bar(notices, _EMBEDDING, "img x models")
        self._started: float | None = None
        self._n_files = 0

    @property
    def seconds(self) -> dict[str, float]:
        """By stage."""
        return self._stages.seconds

    def gridded(self, grid: Grid) -> None:
        """What is tried."""
        self._stages.close()
        self._started = time.monotonic()
        n_models, n_layers = len(grid.requests), len({(item.model, item.layer) for item in grid.choices})
        tried = f"{counted(len(grid.choices), 'combination')} of {counted(n_layers, 'layer')} with pools"
        self._notices.note(f"{counted(n_models, 'model')}: {tried}; {grouped(len(grid.dropped))} not tried")

    def scanned(self, found: Scan, work: Plan) -> None:
        """How much there is to do, a store after the other."""
        if not self._n_files:
            self._n_files = len(found.entries)
            self._notices.note(counted(self._n_files, "file"))
        if work.unchanged:
            self._notices.note(
                f"  {grouped(work.unchanged)} unchanged in one store, {grouped(len(work.pending))} to do"
            )

    def trying(self, n_images: int) -> None:
        """Why nothing is embedded yet."""
        self._notices.note(f"trying what is faster, and as exact, on {counted(n_images, 'image')} ...")

    def encoder_ready(self, encoder: Encoder, _proofs: Sequence[Proof], on_record: str | None) -> None:
        """What will be done with one model."""
        spec = encoder.spec
        proved = f" ({on_record})" if on_record else ""
        what = counted(len(encoder.heads), "embedding")
        self._notices.note(f"{spec.model} · {spec.weights_name} · {what} · {encoder.device} {spec.precision}{proved}")
        if spec.untrained:
            self._notices.note(f"note: the weights of {spec.model} are random: its neighbours mean little")
        self._bar.begin()

    def advanced(self, n_done: int, n_total: int) -> None:
        """How far the extraction is, each image counted once for each model."""
        self._bar.advanced(n_done, n_total)

    def stage(self, name: str, n_done: int, n_total: int) -> None:
        """How far another stage is."""
        if self._started is not None:
            self._bar.close()
            self._stages.seconds[_EMBEDDING] = time.monotonic() - self._started
            self._started = None
        self._stages(name, n_done, n_total)

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()
        self._stages.close()
