"""What an index is an index of. Checked before FAISS sees a byte: a mismatch is an error, not a worse answer."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.errors import IntegrityError, MismatchError, UsageError
from bignet.index.tuning import USUAL, USUAL_KIND, Aim, OperatingPoint, Tuning
from bignet.names import shell_word

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from bignet.store.snapshot import Snapshot

FORMAT_VERSION = 2
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
        metric: ``cosine``: the index holds vectors of length 1.
        kind: ``flat``, ``hnsw``, ``ivf``, ``bits:...``, or a FAISS factory string.
        asked: the kind that was asked for, ``auto`` if none.
        aim: the recall that was asked for.
        reason: why it is this kind.
        factory: FAISS's string for it; empty for flat.
        keeps_vectors: whether the float vectors are in the file too.
        rows: rows of the store that it answers with.
        rows_in_file: those and rows that were removed from the store since it was built.
        rows_built: those that it was built with; the others were added later.
        ids_sha256: of the sorted ids: equal ids are equal vectors, whatever the snapshot's number.
        file: name of the FAISS file beside this record.
        n_bytes: its size.
        sha256: its digest.
        build_seconds: time it took to train and fill, without tuning.
        tuning: what was found out about its recall; None for flat, which is exact.
        codes: of bits, how good they are; see codes.CodeQuality.
        format_version: of this record.
    """

    store_uuid: str
    snapshot: int
    embedding: str
    fingerprint: str
    dims: int
    metric: str
    kind: str
    asked: str
    aim: Aim
    reason: str
    factory: str
    keeps_vectors: bool
    rows: int
    rows_in_file: int
    rows_built: int
    ids_sha256: str
    file: str
    n_bytes: int
    sha256: str
    build_seconds: float
    tuning: Tuning | None = None
    codes: Mapping[str, float] | None = None
    format_version: int = FORMAT_VERSION

    def dump(self) -> bytes:
        """As JSON, with a digest of itself: a changed effort would change answers."""
        text = json.dumps(asdict(self), sort_keys=True)
        return json.dumps({"sha256": _digest(text), "index": json.loads(text)}, indent=1, sort_keys=True).encode()


def digest_of_ids(ids: NDArray[np.int64]) -> str:
    """SHA-256 of the sorted ids."""
    return hashlib.sha256(np.sort(ids).astype("<i8").tobytes()).hexdigest()


def load(folder: Path) -> IndexIdentity:
    """The record in an index's folder.

    Raises:
        IntegrityError: it is damaged.
        UsageError: it was written by a later version, or by one so early that it has to be built again.
    """
    path = folder / FILE_NAME
    try:
        wrapper = json.loads(path.read_bytes())
        data = wrapper["index"]
        if data["format_version"] > FORMAT_VERSION:
            found = data["format_version"]
            raise UsageError(f"index {path} has format {found}, newer than this BigNet; upgrade bignet")
        if data["format_version"] < FORMAT_VERSION:
            found = data["format_version"]
            raise UsageError(f"index {path} has format {found}, older than this BigNet reads; {rebuild(folder)}")
        if _digest(json.dumps(data, sort_keys=True)) != wrapper["sha256"]:
            raise IntegrityError(f"index record {path} was altered: its checksum does not match; {rebuild(folder)}")
        values = _known(IndexIdentity, {"aim": _aim_of(data)} | data)
        return IndexIdentity(**values | {"aim": Aim(**values["aim"]), "tuning": _tuning(values["tuning"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        found = type(error).__name__
        raise IntegrityError(f"index record {path} cannot be read ({found}); {rebuild(folder)}") from None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _aim_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked for, of a record that does not say so itself."""
    tuning = data["tuning"]
    return asdict(USUAL) if tuning is None else {"recall": tuning["target"], "k": tuning["k"]}


def rebuild(folder: Path, record: IndexIdentity | None = None, snapshot: Snapshot | None = None) -> str:
    """What to do about an index: the command that builds it as it was asked for, as far as that is known."""
    return f"build it again with: {command(folder, record, snapshot)}"


def command(folder: Path, record: IndexIdentity | None = None, snapshot: Snapshot | None = None) -> str:
    """``bignet index STORE``, with those options that are not the usual ones."""
    return " ".join(map(shell_word, words(folder, record, snapshot)))


def words(folder: Path, record: IndexIdentity | None = None, snapshot: Snapshot | None = None) -> tuple[str, ...]:
    """Those of ``command``."""
    is_first = snapshot is not None and snapshot.embedding().name == folder.name
    which = () if is_first else ("--embedding", folder.name)
    return ("bignet", "index", str(folder.parent.parent), *which, *(() if record is None else _asked(record)))


def _asked(record: IndexIdentity) -> tuple[str, ...]:
    aim = record.aim
    kind = () if record.asked == USUAL_KIND else ("--kind", record.asked)
    recall = () if aim.recall == USUAL.recall else ("--recall", str(aim.recall))
    return (*kind, *recall, *(() if aim.k == USUAL.k else ("-k", str(aim.k))))


def _tuning(data: Mapping[str, Any] | None) -> Tuning | None:
    if data is None:
        return None
    points = tuple(OperatingPoint(**_known(OperatingPoint, point)) for point in data["points"])
    chosen = OperatingPoint(**_known(OperatingPoint, data["chosen"]))
    return Tuning(**_known(Tuning, data) | {"chosen": chosen, "points": points})


def _known(kind: type, data: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of later versions are passed over."""
    return {item.name: data[item.name] for item in fields(kind)}


def check(identity: IndexIdentity, snapshot: Snapshot, folder: Path, *, stale_ok: bool) -> bool:
    """Whether an index belongs to a snapshot -> True, or False if it is of an older one and that was allowed.

    Raises:
        MismatchError: of another store, model, layer or pool, or older than the store; both sides are named.
    """
    store = snapshot.manifest
    spec = snapshot.embedding(folder.name)  # not what the record says of itself: folders get copied
    mend = rebuild(folder, identity, snapshot)
    if identity.store_uuid != store.store_uuid:
        raise MismatchError(
            f"index {folder} belongs to store {identity.store_uuid}, this is store {store.store_uuid}; {mend}"
        )
    if identity.fingerprint != spec.fingerprint or identity.dims != spec.dims:
        raise MismatchError(
            f"index {folder} holds embedding {identity.fingerprint}, the store's {spec.name} is "
            f"{spec.fingerprint}; {mend}"
        )
    if identity.ids_sha256 == digest_of_ids(snapshot.ids()):
        return True
    if stale_ok:
        return False
    raise MismatchError(
        f"index {folder} is {how_much_older(identity, snapshot)}; allow the older answers with --stale-ok, "
        f"or bring it up to date with: {command(folder, identity, snapshot)}"
    )


def how_much_older(identity: IndexIdentity, snapshot: Snapshot) -> str:
    """``of snapshot 2 (600 rows), the store is at snapshot 4 (611 rows)``."""
    store = snapshot.manifest
    return (
        f"of snapshot {identity.snapshot} ({identity.rows:,} rows), "
        f"the store is at snapshot {store.number} ({store.rows:,} rows)"
    )
