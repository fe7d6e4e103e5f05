"""What ``bignet sweep`` shows while it runs: what is tried, the extraction, then each stage."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from bignet.cli.console import counted, grouped
from bignet.cli.stages import Stages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bignet.cli.console import Notices
    from bignet.extractor.encoder import Encoder
    from bignet.extractor.grid import Grid
    from bignet.extractor.plan import Plan
    from bignet.extractor.prove import Proof
    from bignet.extractor.sources import Scan

_STARTING, _FILES, _MODELS, _EMBEDDING = "starting", "files", "models", "embedding"
_UNITS = {_EMBEDDING: "img x models", "speeds": "measurements", "altered copies": "img"}
_CHOICES = "choices"


class SweepScreen:
    """Shows a sweep while it runs; ``seconds`` has how long each stage took, and no time is between stages."""

    def __init__(self, notices: Notices) -> None:
        self._notices = notices
        self._stages = Stages(notices, defaultdict(lambda: _CHOICES, _UNITS))
        self._stages(_STARTING, 0, 1)
        self._n_files = 0

    @property
    def seconds(self) -> dict[str, float]:
        """By stage."""
        return self._stages.seconds

    def gridded(self, grid: Grid) -> None:
        """What is tried."""
        self._stages.close()
        n_models, n_layers = len(grid.requests), len({(item.model, item.layer) for item in grid.choices})
        tried = f"{counted(len(grid.choices), 'combination')} of {counted(n_layers, 'layer')} with pools"
        self._notices.note(f"{counted(n_models, 'model')}: {tried}; {grouped(len(grid.dropped))} not tried")
        self._stages(_FILES, 0, 1)

    def scanned(self, found: Scan, work: Plan) -> None:
        """How much there is to do, a store after the other."""
        self._stages.close()
        if not self._n_files:
            self._n_files = len(found.entries)
            self._notices.note(counted(self._n_files, "file"))
        if work.unchanged:
            self._notices.note(
                f"  {grouped(work.unchanged)} unchanged in one store, {grouped(len(work.pending))} to do"
            )
        self._stages(_MODELS, 0, 1)

    def trying(self, n_images: int) -> None:
        """Why nothing is embedded yet."""
        self._stages.close()
        self._notices.note(f"trying what is faster, and as exact, on {counted(n_images, 'image')} ...")
        self._stages(_MODELS, 0, 1)

    def encoder_ready(self, encoder: Encoder, _proofs: Sequence[Proof], on_record: str | None) -> None:
        """What will be done with one model."""
        self._stages.close()
        spec = encoder.spec
        proved = f" ({on_record})" if on_record else ""
        what = counted(len(encoder.heads), "embedding")
        self._notices.note(f"{spec.model} · {spec.weights_name} · {what} · {encoder.device} {spec.precision}{proved}")
        if spec.untrained:
            self._notices.note(f"note: the weights of {spec.model} are random: its neighbours mean little")
        self._stages(_MODELS, 0, 1)

    def advanced(self, n_done: int, n_total: int) -> None:
        """How far the extraction is, each image counted once for each model."""
        self._stages(_EMBEDDING, n_done, n_total)

    def stage(self, name: str, n_done: int, n_total: int) -> None:
        """How far another stage is."""
        self._stages(name, n_done, n_total)

    def kept(self, what: str) -> None:
        """What was not measured again."""
        self._stages.close()
        self._notices.note(f"{what}; --again measures them again")

    def close(self) -> None:
        """Take the bar away."""
        self._stages.close()
