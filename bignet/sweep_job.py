"""A sweep from images to its page: the grid drawn, all models embedded in one pass, choices priced, judged, written."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypedDict

import numpy as np

from bignet import files
from bignet.derive.steps import parse_steps
from bignet.errors import UsageError
from bignet.evaluate.label_file import read_label_table
from bignet.evaluate.sweep.judge import judge
from bignet.evaluate.sweep.result import Choice, Dropped, Sweep, Why
from bignet.evaluate.sweep.settings import SweepSettings
from bignet.extractor import grid_defaults
from bignet.extractor.grid import draw_grid
from bignet.extractor.run import Listener as ExtractListener
from bignet.extractor.settings import ExtractSettings
from bignet.extractor.several import extract_several
from bignet.names import shell_word
from bignet.reporting.sweep.source import SweepSource
from bignet.reporting.sweep.write import with_earlier_times, write_sweep
from bignet.store import layout, lock
from bignet.store.snapshot import Snapshot
from bignet.sweep_costs import CostRequest, measure
from bignet.sweep_images import Shelf
from bignet.sweep_memory import ScoreFiles
from bignet.sweep_networks import Networks
from bignet.sweep_vectors import CopyRequest, Vectors, embed_all_copies, images_altered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bignet.extractor.grid import Grid, LeftOut
    from bignet.extractor.several import ModelStore
    from bignet.reporting.sweep.write import SweepFiles

    Stores = Mapping[str, Snapshot]


class Listener(ExtractListener, Protocol):
    """Told what a sweep does, while it does it: an extraction's news, and the stages around it."""

    def gridded(self, grid: Grid) -> None:
        """What is to be tried was settled."""
        return

    def stage(self, name: str, n_done: int, n_total: int) -> None:
        """How far a stage is, where it is not the extraction."""
        return

    def kept(self, what: str) -> None:
        """Something was not measured again."""
        return


class _Silent(Listener):
    """Nobody listens."""


@dataclass(frozen=True)
class SweepRequest:
    """What a sweep is asked for.

    Attributes:
        models: names, see ``bignet models``.
        layers: ``("auto",)`` = the ends of each model's stages; or names, of which each model tries those it has.
        pools: each layer gets each pool.
        weights: model -> its weights, see ``ExtractSettings.weights``; default where it has none.
        steps: of post-processing, such as ``pca:256``; each is tried on every embedding beside the plain one.
        max_dims: longer vectors are not tried.
        labels: CSV or Parquet with ``path`` and ``label``, perhaps ``group``; folder names if None.
        limit: embed at most so many images, from all over the input; 0 = all. What is stored already stays.
        size: side of the square the networks see, pixels; None = as each was trained.
        precision: see ExtractSettings.
        device: likewise.
        workers: likewise.
        k: neighbours in a strip.
        seed: fixes every random choice.
        again: measure speeds again, too, that an earlier call measured on the same machine; else they are taken.
    """

    models: tuple[str, ...] = grid_defaults.MODELS
    layers: tuple[str, ...] = grid_defaults.AUTO
    pools: tuple[str, ...] = grid_defaults.POOLS
    weights: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[str, ...] = ()
    max_dims: int = grid_defaults.MAX_DIMS
    labels: str | os.PathLike[str] | None = None
    limit: int = ExtractSettings.limit
    size: int | None = ExtractSettings.size
    precision: str | None = ExtractSettings.precision
    device: str = ExtractSettings.device
    workers: int = ExtractSettings.workers
    k: int = SweepSettings.k
    seed: int = SweepSettings.seed
    again: bool = False

    def __post_init__(self) -> None:
        _ = self.extraction, self.judging  # what cannot be is an error before anything is done
        for steps in self.steps:
            parse_steps(steps)

    @property
    def extraction(self) -> ExtractSettings:
        """How all models embed."""
        shared = {name: getattr(self, name) for name in ("limit", "size", "precision", "device", "workers")}
        return ExtractSettings(**shared)

    @property
    def judging(self) -> SweepSettings:
        """How choices are judged."""
        return SweepSettings(k=self.k, seed=self.seed)


class SweepOptions(TypedDict, total=False):
    """The keywords of ``bignet.sweep``; see SweepRequest, which has the defaults."""

    models: str | Sequence[str]
    layers: str | Sequence[str]
    pools: str | Sequence[str]
    weights: Mapping[str, str | os.PathLike[str]]
    steps: str | Sequence[str]
    max_dims: int
    labels: str | os.PathLike[str] | None
    limit: int
    size: int | None
    precision: str | None
    device: str
    workers: int
    k: int
    seed: int
    again: bool


@dataclass(frozen=True)
class SweepDone:
    """What a sweep found, where it is written, and the stores that hold the vectors."""

    sweep: Sweep
    files: SweepFiles
    stores: tuple[ModelStore, ...]


def run(
    images: str | os.PathLike[str], out: Path, request: SweepRequest, listener: Listener | None = None
) -> SweepDone:
    """Embed images by every choice, judge the choices, and write the page, the record and the table into ``out``.

    What an earlier call has embedded is taken as it is; a call that was cut off goes on where it was.

    Raises:
        UsageError: an unknown model, layer or pool, labels that do not fit, or nothing to try.
        MismatchError: a store in ``out`` was made with other settings, or of other images.
        LockedError: another run writes there.
        ResourceError: the disk refused.
    """
    listener = listener or _Silent()
    if request.labels is not None:
        read_label_table(Path(request.labels), np.empty(0, np.int64), [])  # what is wrong with it is said at once
    listener.stage("networks", 0, 1)
    grid = draw_grid(request.models, request.layers, request.pools, request.weights, request.max_dims, request.size)
    listener.gridded(grid)
    made = extract_several(images, out, grid.requests, request.extraction, listener, grid.loaded)
    _check_embedded(made, images)
    with ExitStack() as stack:
        # Two that measure at a time would slow each other.
        stack.enter_context(lock.exclusive(out / layout.STORES, "folder"))
        files.remove_temporary(out)
        names = [_name_of(item, out) for item in made]
        stores = {name: stack.enter_context(Snapshot.open(item.path)) for name, item in zip(names, made, strict=True)}
        networks, made = _handed_on(made, stores, request.device)
        sweep = _judged(grid, networks, request, out, listener)
        sweep = replace(sweep, warnings=(*_about_rejected(made), *sweep.warnings))
        listener.stage("page", 0, 1)
        source = _source(out, stores, request)
        sweep = with_earlier_times(replace(sweep, seconds={**_seconds(made), **sweep.seconds}), source, out)
        return SweepDone(sweep, write_sweep(sweep, source, out), made)


def _handed_on(made: Sequence[ModelStore], stores: Stores, device: str) -> tuple[Networks, tuple[ModelStore, ...]]:
    """What embedded, where alone it is held from now on, and the stores without it."""
    ready = {name: item.network for name, item in zip(stores, made, strict=True) if item.network is not None}
    return Networks(stores, device, ready), tuple(replace(item, network=None) for item in made)


def _check_embedded(made: Sequence[ModelStore], images: str | os.PathLike[str]) -> None:
    empty = next((item for item in made if not item.summary.total_rows), None)
    if empty is not None:
        raise UsageError(
            f"model '{empty.model}' could embed none of the {empty.summary.discovered:,} files of "
            f"'{os.fspath(images)}', so there is nothing to judge; see why: bignet info "
            f"{shell_word(str(empty.path))} --rejected; give a folder with images in it"
        )


def _about_rejected(made: Sequence[ModelStore]) -> list[str]:
    """What is in no store, or in some only."""
    most = max((item.summary for item in made), key=lambda summary: summary.total_rejected)
    if not most.total_rejected:
        return []
    files = f"{most.total_rejected:,} of {most.discovered:,} files"
    return [f"{files} could not be embedded; bignet info STORE --rejected lists them with their reasons"]


def _name_of(item: ModelStore, out: Path) -> str:
    return item.path.relative_to(out).as_posix()


def _judged(grid: Grid, networks: Networks, request: SweepRequest, out: Path, listener: Listener) -> Sweep:
    listener.stage("labels", 0, 1)
    shelf = Shelf.of(networks.stores, request.labels)
    vectors = Vectors(networks.stores)
    choices, dropped = _choices(grid, vectors, request.steps, listener)
    told = partial(listener.stage, "speeds")
    flops = {(item.store, item.layer): item.flops for item in grid.choices}
    costs = measure(choices, networks, CostRequest(out, flops, request.again), told)
    if costs.kept:
        listener.kept(costs.kept)
    told = partial(listener.stage, "altered copies")
    told(0, 1)
    labelled = any(label is not None for label in shelf.images.labels or ())
    n_altered = images_altered(len(shelf.common), labelled=labelled)
    copies = embed_all_copies(vectors, networks, CopyRequest(out, shelf.common, n_altered), told)
    networks.let_go()
    sweep = judge(
        shelf.images, choices, costs.of, vectors.read, copies, request.judging, listener.stage, ScoreFiles(out)
    )
    return replace(
        sweep,
        dropped=(*dropped, *sweep.dropped),
        cost_setting=costs.setting,
        warnings=(*shelf.warnings, *sweep.warnings),
    )


def _dropped(item: LeftOut) -> Dropped:
    why = Why.UNDEFINED if item.dims is None else Why.SIZE
    return Dropped(item.model, item.layer, item.pool, item.dims, why, item.reason)


def _choices(
    grid: Grid, vectors: Vectors, steps: Sequence[str], listener: Listener
) -> tuple[list[Choice], list[Dropped]]:
    plain = [
        Choice(
            name=f"{item.model}/{item.embedding}",
            model=item.model,
            weights=item.weights,
            trained=item.trained,
            layer=item.layer,
            pool=item.pool,
            steps=(),
            dims=item.dims,
            coverage=item.coverage,
            shape=item.shape,
            store=item.store,
            embedding=item.embedding,
        )
        for item in grid.choices
    ]
    choices = list(plain)
    dropped = [_dropped(item) for item in grid.dropped]
    for each in steps:
        more, less = vectors.with_steps(plain, each, partial(listener.stage, f"fit {each}"))
        choices += more
        dropped += less
    return choices, dropped


def _seconds(made: Sequence[ModelStore]) -> dict[str, float]:
    """Core seconds of the extraction; what models share is said once."""
    last = max((item.summary.seconds for item in made), key=lambda seconds: seconds.get("decode", 0.0))
    shared = {name: round(last.get(name, 0.0), 3) for name in ("read", "decode")}
    return shared | {f"forward {item.model}": round(item.summary.seconds.get("forward", 0.0), 3) for item in made}


def _source(out: Path, stores: Stores, request: SweepRequest) -> SweepSource:
    first = next(iter(stores.values()))
    root = first.image_root()
    method: dict[str, str | int | float] = {
        "models": ", ".join(request.models),
        "layers": ", ".join(request.layers),
        "pools": ", ".join(request.pools),
        "steps": " and ".join(request.steps) or "none",
        "max_dims": request.max_dims,
        "k": request.k,
        "seed": request.seed,
    }
    versions = {
        name if name == "device" else f"{name}_version": value for name, value in first.manifest.environment.items()
    }
    versions.pop("proof_version", None)
    return SweepSource(out.resolve().name, root if root.is_dir() else None, versions, method)
