"""Building an index: choose a kind, fill it with all but some queries, tune it on those, add them, publish it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np

from bignet.errors import UsageError
from bignet.index import choose, codes, cores, disk, factory, graphs, kinds, tune
from bignet.index.candidates import candidates_of, innermost
from bignet.index.identity import IndexIdentity, digest_of_ids
from bignet.index.neighbors import normalise
from bignet.index.search import Index
from bignet.index.tuning import USUAL, Aim
from bignet.index.vectors import InMemory

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.index.kinds import Kind
    from bignet.index.tuning import Tuning
    from bignet.spec import EmbeddingSpec
    from bignet.store.snapshot import Snapshot

_SEED = 20
_FEWEST_ROWS = 500  # held-out queries are a tenth: fewer say nothing about a recall


@dataclass(frozen=True)
class IndexSettings:
    """What index is wanted.

    Attributes:
        kind: see kinds.ALLOWED.
        aim: the recall it is to reach.
        memory: bytes that it may fill when it is loaded; None: half of what is free for ``auto``, else no limit.
    """

    kind: str = kinds.AUTO
    aim: Aim = USUAL
    memory: int | None = None

    def __post_init__(self) -> None:
        if self.memory is not None and self.memory < 1:
            raise UsageError(f"memory {self.memory} cannot be; allowed: a number of bytes above 0, or None")


def build(snapshot: Snapshot, spec: EmbeddingSpec, settings: IndexSettings) -> IndexIdentity:
    """Build an index of all rows from nothing and publish it in place of an older one.

    Raises:
        UsageError: no such kind, or too few rows to tune it on.
        ResourceError: the disk refused; the older index stands.
    """
    ids, unit = snapshot.ids(), normalise(snapshot.vectors(spec.name))
    choice = choose.choose(settings.kind, unit, settings.memory, settings.aim.recall)
    draft = _draft(snapshot, spec, settings, choice.reason, ids)
    folder = disk.folder_of(snapshot, spec.name)
    if choice.kind is None:
        return disk.publish(folder, *_flat(unit, ids, draft))
    filled = fill(choice.kind, unit, ids, settings.aim)
    kind, tuning = filled.kind, filled.tuning
    if not tuning.met and choice.or_flat:
        reason = f"{kind.name} reaches {tuning.recall_low:.3f} at most: {tune.shortfall(tuning)}"
        return disk.publish(folder, *_flat(unit, ids, replace(draft, reason=reason)))
    record = replace(
        draft,
        kind=kind.name,
        factory=kind.factory,
        keeps_vectors=kind.keeps_vectors,
        build_seconds=round(filled.seconds, 3),
        tuning=tuning,
        codes=codes.quality(filled.index.index, unit) if codes.are_bits(kind) else None,
    )
    return disk.publish(folder, filled.index, record)


@dataclass(frozen=True)
class Filled:
    """An approximate index that is not published yet.

    Attributes:
        index: an IndexIDMap2.
        kind: as it was made for these vectors.
        tuning: what was found out about it.
        seconds: of training and adding.
    """

    index: Any
    kind: Kind
    tuning: Tuning
    seconds: float


def fill(kind: Kind, unit: NDArray[np.float32], ids: NDArray[np.int64], aim: Aim) -> Filled:
    """(N, D) unit vectors -> an index of that kind, tuned.

    Raises:
        UsageError: too few rows, or FAISS cannot train such an index on them.
    """
    rows = len(unit)
    if rows < _FEWEST_ROWS:
        few = f"{rows:,} rows are too few to tune an index of kind '{kind.name}' on, which takes {_FEWEST_ROWS}"
        raise UsageError(f"{few}; take --kind flat, which is exact")
    tune.check_k(aim.k, rows)
    chosen = np.random.default_rng(_SEED).permutation(rows)[: tune.n_held_out(rows)]
    held = np.zeros(rows, bool)
    held[chosen] = True
    base = InMemory(unit[~held])
    start = time.perf_counter()
    kind, inner = _trained(kind, base.unit)
    index = faiss.IndexIDMap2(inner)
    _add(index, base.unit, ids[~held])
    seconds = time.perf_counter() - start
    trial = Index(ids[~held], base, candidates_of(inner))
    efforts = kind.efforts(inner, len(base), aim.k)
    tuning = tune.tune(trial, efforts, unit[held], base, aim)
    start = time.perf_counter()
    _add(index, unit[held], ids[held])
    return Filled(index, kind, tuning, seconds + time.perf_counter() - start)


def _trained(kind: Kind, unit: NDArray[np.float32]) -> tuple[Kind, Any]:
    cores.use_them()
    kind, components = graphs.fitted(kind, unit)
    inner = kind.make(unit.shape[1])
    if components is not None:
        graphs.install(inner, components)
    graph = innermost(inner)
    if isinstance(graph, faiss.IndexHNSW):
        graph.hnsw.efConstruction = graphs.EF_CONSTRUCTION
    try:
        inner.train(unit)
    except RuntimeError as error:
        why = f"FAISS says: {factory.said(error) or 'no more'}"
        raise UsageError(
            f"index kind '{kind.name}' cannot be trained on {len(unit):,} rows: {why}; allowed: {kinds.ALLOWED}"
        ) from None
    return kind, inner


def _add(index: Any, unit: NDArray[np.float32], ids: NDArray[np.int64]) -> None:
    cores.use_them()
    index.add_with_ids(unit, ids)


def _flat(unit: NDArray[np.float32], ids: NDArray[np.int64], draft: IndexIdentity) -> tuple[Any, IndexIdentity]:
    start = time.perf_counter()
    index = faiss.IndexIDMap2(faiss.IndexFlatIP(unit.shape[1]))
    index.add_with_ids(unit, ids)
    return index, replace(draft, build_seconds=round(time.perf_counter() - start, 3))


def _draft(
    snapshot: Snapshot, spec: EmbeddingSpec, settings: IndexSettings, reason: str, ids: NDArray[np.int64]
) -> IndexIdentity:
    """The record of a flat index that is not written yet."""
    return IndexIdentity(
        store_uuid=snapshot.manifest.store_uuid,
        snapshot=snapshot.manifest.number,
        embedding=spec.name,
        fingerprint=spec.fingerprint,
        dims=spec.dims,
        metric="cosine",
        kind=kinds.FLAT,
        asked=settings.kind,
        aim=settings.aim,
        reason=reason,
        factory="",
        keeps_vectors=True,
        rows=len(ids),
        rows_in_file=len(ids),
        rows_built=len(ids),
        ids_sha256=digest_of_ids(ids),
        file="",
        n_bytes=0,
        sha256="",
        build_seconds=0.0,
    )
