"""Where the float vectors are that candidates are compared with: in memory, or in the store's shards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from bignet.index.neighbors import normalised

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.store.snapshot import Snapshot


class Vectors(Protocol):
    """Unit vectors by row."""

    def __len__(self) -> int: ...

    @property
    def dims(self) -> int:
        """Numbers in a vector."""

    def at(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n,) rows, repeated ones too -> (n, D) float32 of length 1."""


class InMemory:
    """All of them, at once; ``owner`` is what their memory belongs to, if not to the array."""

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


class Reconstructed:
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


class FromShards:
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
