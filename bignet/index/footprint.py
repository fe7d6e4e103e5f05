"""Bytes of an index, told from its kind before a row is in it: what it fills when it is loaded."""

from __future__ import annotations

from typing import Any

import faiss

from bignet.index import factory
from bignet.index.candidates import innermost

_FLOAT = 4
_ID = 8


def of_flat(rows: int, dims: int) -> int:
    """Bytes of all the vectors and their ids."""
    return rows * (dims * _FLOAT + _ID)


def of_index(index: Any, rows: int) -> int:
    """Bytes of an empty FAISS index once it holds so many rows and their ids."""
    matrices = sum(_numbers(step) for step in factory.transforms(index))
    beside = int(index.d) if isinstance(faiss.downcast_index(index), faiss.IndexRefineFlat) else 0  # numbers a row
    return rows * (_ID + beside * _FLOAT) + matrices * _FLOAT + _of(innermost(index), rows)


def typed(n_bytes: int) -> int:
    """Bytes rounded up to three digits, so that what an error asks for is enough when it is typed."""
    step = int(10 ** max(len(str(n_bytes)) - 3, 0))
    return -(-n_bytes // step) * step


def _of(index: Any, rows: int) -> int:
    if isinstance(index, faiss.IndexHNSW):
        return _of(faiss.downcast_index(index.storage), rows) + rows * _links(index.hnsw)
    if isinstance(index, faiss.IndexIVF):
        centres = _of(faiss.downcast_index(index.quantizer), index.nlist)
        padded = int(index.nlist) * int(getattr(index, "bbs", 0)) // 2  # codes lie in blocks, a list's last half full
        return centres + rows * _ID + (rows + padded) * int(index.code_size) + _codebook(index)
    return rows * int(getattr(index, "code_size", index.d * _FLOAT)) + _codebook(index)


def _numbers(step: Any) -> int:
    """Numbers in a transform; some keep what they were computed from."""
    d_in, d_out = int(step.d_in), int(step.d_out)
    if isinstance(step, faiss.PCAMatrix):
        return d_in * (d_in + d_out)
    if isinstance(step, faiss.ITQTransform):
        return d_out * (d_in + d_out)
    return d_in * d_out if isinstance(step, faiss.LinearTransform) else d_out


def _links(hnsw: Any) -> int:
    """Bytes a row: links of the lowest layer, the share of those above, its level and where its links begin."""
    lowest, above = int(hnsw.nb_neighbors(0)), int(hnsw.nb_neighbors(1))
    return 4 * lowest + 4 * above // max(above - 1, 1) + 12


def _codebook(index: Any) -> int:
    pq = getattr(index, "pq", None)
    return 0 if pq is None else int(pq.ksub) * int(pq.d) * _FLOAT
