"""Where the float vectors are that candidates are compared with: in memory, or in the store's shards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import faiss
import numpy as np

from bignet.index.neighbors import normalised

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.store.snapshot import Snapshot

_faiss: Any = faiss  # its type stubs leave functions out


class Vectors(Protocol):
    """Unit vectors by row."""

    def __len__(self) -> int: ...

    @property
    def dims(self) -> int:
        """Numbers in a vector."""

    def at(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n,) rows, repeated ones too -> (n, D) float32 of length 1."""

    @property
    def at_a_time(self) -> int:
        """Numbers to ask for in one call of ``at``."""

    def similarities(self, unit: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32] | None:
        """(Q, D) unit queries, (Q, n) rows -> their float32 cosines, -inf for NONE; None where ``at`` is as quick."""


class InMemory:
    """All of them, at once; ``owner`` is what their memory belongs to, if not to the array."""

    at_a_time = 1 << 18  # in float64 they stay in a core's cache

    def __init__(self, unit: NDArray[np.float32], owner: object = None) -> None:
        self.unit = np.ascontiguousarray(unit, dtype=np.float32)
        self._owner = owner

    def __len__(self) -> int:
        return len(self.unit)

    @property
    def dims(self) -> int:
        """Numbers in a vector."""
        return int(self.unit.shape[1])

    def at(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """See Vectors."""
        return self.unit[rows]

    def similarities(self, unit: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32] | None:
        """See Vectors."""
        unit, rows = np.ascontiguousarray(unit), np.ascontiguousarray(rows)
        found = np.empty(rows.shape, np.float32)
        pointers = [faiss.swig_ptr(array) for array in (found, unit, self.unit, rows)]
        _faiss.fvec_inner_products_by_idx(*pointers, self.dims, *rows.shape)
        return found


class _Fetched:
    """What vectors that are not at hand have in common."""

    at_a_time = 1 << 22  # 16 MB: each call has its price

    def similarities(self, unit: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32] | None:
        """See Vectors."""
        return None


class Reconstructed(_Fetched):
    """Vectors that inverted lists hold."""

    def __init__(self, index: Any) -> None:
        index.make_direct_map()
        self._index = index

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def dims(self) -> int:
        """Numbers in a vector."""
        return int(self._index.d)

    def at(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """See Vectors."""
        found: NDArray[np.float32] = self._index.reconstruct_batch(rows)
        return found


class FromShards(_Fetched):
    """Read when they are needed, page checksums verified: for stores whose vectors are too many for the memory.

    Args:
        snapshot: the store.
        name: the embedding.
        rows: (N,) row of the store for each row of the index.
    """

    def __init__(self, snapshot: Snapshot, name: str, rows: NDArray[np.int64]) -> None:
        self._snapshot = snapshot
        self._name = name
        self._rows = rows
        self._dims = snapshot.embedding(name).dims

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def dims(self) -> int:
        """Numbers in a vector."""
        return self._dims

    def at(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """See Vectors; each shard is read once."""
        wanted, places = np.unique(rows, return_inverse=True)
        stored = self._snapshot.vectors_at(self._rows[wanted], self._name)
        return normalised(stored)[places]
