"""The manifest: one JSON file that says which shards make up a snapshot. Rows exist only through it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeVar

from bignet import files
from bignet.errors import IntegrityError, UsageError
from bignet.spec import EmbeddingSpec
from bignet.store import layout

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_Part = TypeVar("_Part", "Source", "ShardRecord", "Counts", "Parent")

FORMAT = "bignet-store"
FORMAT_VERSION = 2  # of derived stores; others are written as 1, which they are
_UNDERIVED_VERSION = 1


@dataclass(frozen=True)
class ShardRecord:
    """One Parquet file of the snapshot: where it is and what its bytes must be."""

    name: str
    rows: int
    n_bytes: int
    sha256: str


@dataclass(frozen=True)
class Source:
    """Where the images are: ``kind`` is folder, list or import, ``root`` what the paths are relative to."""

    kind: str
    root: str
    root_from_store: str


@dataclass(frozen=True)
class Parent:
    """What a derived store was derived from.

    Attributes:
        store_uuid: of the store.
        number: of its manifest.
        embedding: the vector column.
        fingerprint: of that.
        path: where the store was.
        path_from_store: the same from the derived store's folder.
    """

    store_uuid: str
    number: int
    embedding: str
    fingerprint: str
    path: str
    path_from_store: str


@dataclass(frozen=True)
class Counts:
    """Conservation: discovered = embedded + rejected + pending, and pending = 0 when complete."""

    discovered: int
    embedded: int
    rejected: int
    pending: int


@dataclass(frozen=True)
class Manifest:
    """A snapshot of a store.

    Attributes:
        number: 1, 2, 3, ...; the newest counts.
        store_uuid: the same in every manifest of a store.
        embeddings: the vector columns, all of one encoder.
        source: where the images are.
        shards: the files with embedded rows.
        rejected: the files with rejected rows.
        counts: see Counts.
        next_id: the id that the next new image gets; ids are never used again.
        complete: False while an extraction is under way or was cut off.
        timings: seconds a stage of the run that wrote this.
        environment: library versions and device of that run.
        parent: what a derived store was derived from; None for all others.
        fitted: the file, among the shards, with what was fitted for its steps.
        later: fields that only a later version knows; they stay as they are.
    """

    number: int
    store_uuid: str
    embeddings: tuple[EmbeddingSpec, ...]
    source: Source
    shards: tuple[ShardRecord, ...]
    rejected: tuple[ShardRecord, ...]
    counts: Counts
    next_id: int
    complete: bool
    timings: Mapping[str, float] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    parent: Parent | None = None
    fitted: ShardRecord | None = None
    later: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Embedded images."""
        return sum(shard.rows for shard in self.shards)

    def file_names(self) -> set[str]:
        """Relative names of every Parquet file the snapshot needs."""
        in_shards = self.shards if self.fitted is None else (*self.shards, self.fitted)
        return {f"{layout.SHARDS}/{shard.name}" for shard in in_shards} | {
            f"{layout.REJECTED}/{shard.name}" for shard in self.rejected
        }


def publish(store: Path, manifest: Manifest) -> None:
    """Make ``manifest`` the newest, unless that number was taken.

    Raises:
        FileExistsError: another writer published this number first.
        OSError: the disk refused; the previous manifest stands.
    """
    body = _canonical(_to_json(manifest))
    text = json.dumps({"sha256": _digest(body), "manifest": json.loads(body)}, indent=1, sort_keys=True)
    files.publish_new(layout.manifest_path(store, manifest.number), files.whole(text.encode()))


def newest(store: Path) -> Manifest:
    """The newest manifest of a store.

    Raises:
        UsageError: the folder does not exist or is no store, or was written by a later version.
        IntegrityError: the newest manifest is damaged; the message names the previous good one.
    """
    numbers = layout.manifest_numbers(store)
    if not numbers:
        raise UsageError(_no_store(store))
    try:
        return load(store, numbers[0])
    except IntegrityError as error:
        if layout.manifest_numbers(store)[:1] not in ([], numbers[:1]):
            return newest(store)  # a writer published the next one and cleaned this one up meanwhile
        raise IntegrityError(f"{error}; {_way_back(store, numbers)}") from None


def load(store: Path, number: int) -> Manifest:
    """The manifest of that number.

    Raises:
        IntegrityError: it is missing, cut short or altered.
        UsageError: it was written by a later version of BigNet.
    """
    path = layout.manifest_path(store, number)
    try:
        wrapper = json.loads(path.read_bytes())
        data = wrapper["manifest"]
        recorded = wrapper["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"manifest {path} cannot be read ({type(error).__name__})") from None
    if _digest(_canonical(data)) != recorded:
        raise IntegrityError(f"manifest {path} was altered: its checksum does not match")
    return _from_json(data, path)


def _no_store(store: Path) -> str:
    what = "is not a BigNet store (no manifest in it)" if store.exists() else "does not exist"
    return f"store '{store}' {what}; make one with: bignet extract IMAGES {store}"


def _way_back(store: Path, numbers: list[int]) -> str:
    for number in numbers[1:]:
        try:
            load(store, number)
        except IntegrityError:
            continue
        return f"the previous good snapshot is {number:08d}; delete the damaged file to return to it"
    return "no earlier snapshot is left; extract again into a new folder"


def _to_json(manifest: Manifest) -> dict[str, Any]:
    data = asdict(manifest)
    data["embeddings"] = [spec.as_json() | {"fingerprint": spec.fingerprint} for spec in manifest.embeddings]
    later: dict[str, Any] = data.pop("later")
    if manifest.parent is None:
        del data["parent"], data["fitted"]
    version = _UNDERIVED_VERSION if manifest.parent is None else FORMAT_VERSION
    return later | {"format": FORMAT, "format_version": version} | data


def _from_json(data: Mapping[str, Any], path: Path) -> Manifest:
    if data.get("format") != FORMAT:
        raise IntegrityError(f"manifest {path} is not of a BigNet store")
    if data["format_version"] > FORMAT_VERSION:
        found, known = data["format_version"], FORMAT_VERSION
        raise UsageError(f"store format {found} in {path} is newer than this BigNet reads ({known}); upgrade bignet")
    return Manifest(
        number=data["number"],
        store_uuid=data["store_uuid"],
        embeddings=tuple(EmbeddingSpec.from_json(item) for item in data["embeddings"]),
        source=_known(Source, data["source"]),
        shards=tuple(_known(ShardRecord, item) for item in data["shards"]),
        rejected=tuple(_known(ShardRecord, item) for item in data["rejected"]),
        counts=_known(Counts, data["counts"]),
        next_id=data["next_id"],
        complete=data["complete"],
        timings=data["timings"],
        environment=data["environment"],
        parent=_known(Parent, data["parent"]) if data.get("parent") else None,
        fitted=_known(ShardRecord, data["fitted"]) if data.get("fitted") else None,
        later={name: value for name, value in data.items() if name not in _KNOWN},
    )


_KNOWN = {"format", "format_version", *(item.name for item in fields(Manifest))} - {"later"}


def _known(kind: type[_Part], data: Mapping[str, Any]) -> _Part:
    """A part of a manifest; fields of later versions are passed over."""
    names = {item.name for item in fields(kind)}
    return kind(**{name: value for name, value in data.items() if name in names})


def _canonical(data: Mapping[str, Any]) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
