"""What an index is an index of. Checked before FAISS sees a byte: a mismatch is an error, not a worse answer."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from bignet.errors import IntegrityError, MismatchError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from bignet.store.snapshot import Snapshot

FORMAT_VERSION = 1
FILE_NAME = "index.json"


@dataclass(frozen=True)
class IndexIdentity:
    """The record beside an index file.

    Attributes:
        store_uuid: the store it was built from.
        snapshot: number of that store's manifest.
        embedding: name of the vector column.
        fingerprint: of its spec.
        dims: numbers in a vector.
        metric: ``cosine``.
        kind: ``flat``.
        rows: vectors in it.
        ids_sha256: of the sorted ids: equal ids are equal vectors, whatever the snapshot's number.
        file: name of the FAISS file beside this record.
        n_bytes: its size.
        sha256: its digest.
        build_seconds: time it took to build.
        format_version: of this record.
    """

    store_uuid: str
    snapshot: int
    embedding: str
    fingerprint: str
    dims: int
    metric: str
    kind: str
    rows: int
    ids_sha256: str
    file: str
    n_bytes: int
    sha256: str
    build_seconds: float
    format_version: int = FORMAT_VERSION

    def dump(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), indent=1, sort_keys=True)


def digest_of_ids(ids: NDArray[np.int64]) -> str:
    """SHA-256 of the sorted ids."""
    return hashlib.sha256(np.sort(ids).astype("<i8").tobytes()).hexdigest()


def load(folder: Path) -> IndexIdentity:
    """The record in an index's folder.

    Raises:
        IntegrityError: it is damaged.
        UsageError: it was written by a later version.
    """
    path = folder / FILE_NAME
    try:
        data = json.loads(path.read_bytes())
        if data["format_version"] > FORMAT_VERSION:
            raise UsageError(
                f"index {path} has format {data['format_version']}, newer than this BigNet; upgrade bignet"
            )
        return IndexIdentity(**{item.name: data[item.name] for item in fields(IndexIdentity)})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"index record {path} cannot be read ({type(error).__name__}); {REBUILD}") from None


REBUILD = "build it again with: bignet index STORE"


def check(identity: IndexIdentity, snapshot: Snapshot, folder: Path, *, stale_ok: bool) -> bool:
    """Whether an index belongs to a snapshot -> True, or False if it is of an older one and that was allowed.

    Raises:
        MismatchError: of another store, model, layer or pool, or older than the store; both sides are named.
    """
    store = snapshot.manifest
    spec = snapshot.embedding(folder.name)  # not what the record says of itself: folders get copied
    if identity.store_uuid != store.store_uuid:
        raise MismatchError(
            f"index {folder} belongs to store {identity.store_uuid}, this is store {store.store_uuid}; {REBUILD}"
        )
    if identity.fingerprint != spec.fingerprint or identity.dims != spec.dims:
        raise MismatchError(
            f"index {folder} holds embedding {identity.fingerprint}, the store's {spec.name} is "
            f"{spec.fingerprint}; {REBUILD}"
        )
    if identity.ids_sha256 == digest_of_ids(snapshot.ids()):
        return True
    if stale_ok:
        return False
    raise MismatchError(
        f"index {folder} is of snapshot {identity.snapshot} ({identity.rows:,} rows), the store is at snapshot "
        f"{store.number} ({store.rows:,} rows); {REBUILD}, or allow the older answers with --stale-ok"
    )
