"""Vectors of altered copies on disk: one file of safetensors a network, read one embedding at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as as_bytes

from bignet import files
from bignet.extractor.alterations import parse
from bignet.extractor.altered import Altered

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from bignet.extractor.alterations import Alteration
    from bignet.extractor.altered import Originals
    from bignet.spec import EmbeddingSpec

_VERSION = 1  # of the file, and of what an alteration of a given name does


def key_of(specs: Sequence[EmbeddingSpec], originals: Originals, alterations: Sequence[Alteration]) -> str:
    """Equal exactly when the same copies would be embedded the same way: a digest of all that they are made of."""
    prints = {spec.name: spec.fingerprint for spec in specs}
    names = [alteration.name for alteration in alterations]
    made_of = [_VERSION, prints, names, [digest.hex() for digest in originals.digests]]
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def save(path: Path, found: Altered, key: str) -> None:
    """Publish a file, in place of one that may be there.

    Raises:
        OSError: the disk refused; what was there stands.
    """
    about = {
        "key": key,
        "alterations": json.dumps([alteration.name for alteration in found.alterations]),
        "rows": json.dumps(found.rows.tolist()),
        "unread": json.dumps(list(found.unread.items())),
    }
    vectors = {name: np.ascontiguousarray(values) for name, values in found.vectors.items()}
    files.replace(path, files.whole(as_bytes(vectors, about)))


def load(path: Path, key: str) -> Altered | None:
    """What was saved under that key; None if there is no such file, another's, or a damaged one."""
    try:
        with safe_open(path, framework="numpy") as file:
            about, names = file.metadata() or {}, tuple(file.keys())
    except (OSError, SafetensorError):
        return None
    if about.get("key") != key:
        return None
    alterations = tuple(parse(name) for name in json.loads(about["alterations"]))
    unread = {int(row): str(reason) for row, reason in json.loads(about["unread"])}
    rows = np.array(json.loads(about["rows"]), dtype=np.int64)
    return Altered(alterations, rows, _Vectors(path, names), unread)


class _Vectors(Mapping[str, "NDArray[np.float32]"]):
    """Embedding -> (A, n, D) float32, read when it is asked for."""

    def __init__(self, path: Path, names: tuple[str, ...]) -> None:
        self._path = path
        self._names = names

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        if name not in self._names:
            raise KeyError(name)
        with safe_open(self._path, framework="numpy") as file:
            values: NDArray[np.float32] = file.get_tensor(name)
        return values

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
