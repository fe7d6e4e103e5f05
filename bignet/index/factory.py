"""FAISS's factory strings: which of them can be served, and a plain sentence for each that cannot."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import faiss

from bignet.index.candidates import innermost, unrefined

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLE = "IVF64,SQ8"
# Tried, each of them: FAISS cannot search others among some rows alone, as --where and removed rows need it.
_SERVED = {
    "IndexFlat",
    "IndexFlatIP",
    "IndexScalarQuantizer",
    "IndexRaBitQ",
    "IndexLSH",
    "IndexHNSWFlat",
    "IndexHNSWSQ",
    "IndexHNSWPQ",
    "IndexIVFFlat",
    "IndexIVFScalarQuantizer",
    "IndexIVFPQ",
    "IndexIVFPQFastScan",
    "IndexIVFRaBitQ",
    "IndexIVFRaBitQFastScan",
}
_THESE = "Flat, SQ, RaBitQ, LSH, HNSW and IVF with Flat, SQ or PQ, IVF with RaBitQ"
_TOO_MUCH = {
    "IndexIDMap": "keeps ids, which every index does: leave IDMap out",
    "IndexIDMap2": "keeps ids, which every index does: leave IDMap2 out",
    "IndexRefine": "compares what it finds, which is done anyway, and exactly: leave Refine out",
}
_MANY = {"": 1, "k": 1 << 10, "M": 1 << 20}


def made(factory: str, dims: int, metric: int) -> Any:
    """An empty, untrained index.

    Raises:
        ValueError: what is wrong with the string, as a predicate of it.
    """
    try:
        index = faiss.index_factory(dims, factory, metric)
        why = _not_served(index)
        if not why:
            _keep_quiet(index)
            return index
    except (RuntimeError, MemoryError) as error:
        text = said(error)
        why = f"cannot be had for vectors of {dims:,} dims: FAISS says: {text}" if text else "is unknown, to FAISS too"
    raise ValueError(why)


def metric_of(factory: str) -> int:
    """FAISS's number of the metric: of unit vectors both find the same.

    But codes of bits know only one, and components are taken from centred vectors, of which products say nothing.
    """
    is_l2 = re.search(r"^PCA|(^|,)LSH\d*r?t?$", factory)
    return faiss.METRIC_L2 if is_l2 else faiss.METRIC_INNER_PRODUCT


def lists_in(factory: str) -> int:
    """Inverted lists that it asks for; 0 if none. FAISS takes the memory for them at once."""
    found = re.search(r"\bIVF(\d+)([kM]?)", factory)
    return int(found[1]) * _MANY[found[2]] if found else 0


def said(error: BaseException) -> str:
    """What FAISS says after the place in its source and the check that failed, in C++ both; may be nothing."""
    text = " ".join(str(error).split())
    text = re.split(r"\.(?:cpp|h):\d+:\s*", text)[-1]
    text = re.sub(r"^Error: '.*' failed(: )?", "", text).strip(" .")
    return "" if " " not in text or text.startswith(("could not parse", "C++ exception")) else text[:200]


def _not_served(index: Any) -> str:
    """Why an index cannot be served; empty if it can."""
    outermost: Any = faiss.downcast_index(index)
    name = type(outermost).__name__
    if name in _TOO_MUCH:
        return _TOO_MUCH[name]
    index = innermost(index)
    name = type(index).__name__
    if name in _SERVED:
        return "has no inverted lists" if getattr(index, "nlist", 1) < 1 else ""
    return f"cannot be searched with --where; of FAISS's these can: {_THESE}"


def _keep_quiet(index: Any) -> None:
    """Few rows for each centre are no reason to write on the terminal: tuning shows what they are worth."""
    for part in _parts(index):
        for owner in (part, getattr(part, "pq", None), getattr(part, "rq", None)):
            clustering = getattr(owner, "cp", None)
            if clustering is not None:
                clustering.min_points_per_centroid = 1
    index.referenced_objects = [
        _quiet_quantizer(step) for step in transforms(index) if isinstance(step, faiss.OPQMatrix)
    ]


def _quiet_quantizer(rotation: Any) -> Any:
    """The one that a rotation is trained with, in place of its own; FAISS does not keep it alive."""
    rotation.pq = faiss.ProductQuantizer(rotation.d_out, rotation.M, 8)
    rotation.pq.cp.min_points_per_centroid = 1
    return rotation.pq


def transforms(index: Any) -> list[Any]:
    """What is done to vectors before the index sees them."""
    before: Any = unrefined(index)
    if not isinstance(before, faiss.IndexPreTransform):
        return []
    chain: Any = before.chain
    return [faiss.downcast_VectorTransform(chain.at(number)) for number in range(chain.size())]


def _parts(index: Any) -> Iterator[Any]:
    part = faiss.downcast_index(index)
    yield part
    for name in ("base_index", "index", "storage", "quantizer"):
        inner = getattr(part, name, None)
        if inner is not None:
            yield from _parts(inner)
