"""What a store on disk must be, checked by code that shares nothing with the package.

Only the written format is known here: numbered JSON manifests that list Parquet files with their digests.
"""

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

METADATA = {"id", "path", "sha256", "bytes", "width", "height", "mtime_ns", "label"}
REASONS = {
    "not_regular_file",
    "unreadable",
    "too_large_bytes",
    "too_many_pixels",
    "unsupported_format",
    "corrupt",
    "truncated",
    "timeout",
    "worker_crash",
    "changed_while_reading",
    "non_finite_vector",
}


@dataclass
class Content:
    """What a store says, without how it says it."""

    number: int = 0
    complete: bool = False
    rows: dict = field(default_factory=dict)  # path -> (sha256, {embedding: vector})
    ids: dict = field(default_factory=dict)  # path -> id
    rejected: dict = field(default_factory=dict)  # path -> reason

    @property
    def digests(self):
        return {sha256 for sha256, _ in self.rows.values()}


def manifests(store):
    """Paths of the manifests, newest first."""
    found = [item for item in (Path(store) / "manifests").glob("*.json") if re.fullmatch(r"\d{8}\.json", item.name)]
    return sorted(found, reverse=True)


def leftovers(store):
    """Files that the newest snapshot does not need, temporary ones included."""
    store = Path(store)
    data = _manifest(manifests(store)[0])
    needed = {"manifests/" + manifests(store)[0].name, ".lock"}
    needed |= {f"{kind}/{item['name']}" for kind in ("shards", "rejected") for item in data[kind]}
    needed |= {f"shards/{data['fitted']['name']}"} if "fitted" in data else set()
    on_disk = {str(item.relative_to(store)) for item in store.rglob("*") if item.is_file()}
    return sorted(on_disk - needed)


def check(store):
    """Everything that must hold of the newest snapshot -> its content."""
    store = Path(store)
    newest = manifests(store)[0]
    data = _manifest(newest)
    assert data["number"] == int(newest.stem)
    content = Content(data["number"], data["complete"])
    for record in data["shards"]:
        _add_rows(content, _table(store / "shards", record), data)
    for record in data["rejected"]:
        _add_rejected(content, _table(store / "rejected", record))
    _check_ids(content, data)
    _check_counts(content, data["counts"], data)
    return content


def assert_same_content(a, b):
    """The same images with the same vectors, to 1e-5 relative, and the same refusals for the same reasons."""
    assert a.rejected == b.rejected
    assert a.rows.keys() == b.rows.keys()
    for path, (sha256, vectors) in a.rows.items():
        other_sha256, other_vectors = b.rows[path]
        assert sha256 == other_sha256, path
        assert vectors.keys() == other_vectors.keys(), path
        for name, vector in vectors.items():
            scale = float(np.abs(vector).max())
            np.testing.assert_allclose(vector, other_vectors[name], rtol=1e-5, atol=1e-5 * scale, err_msg=str(path))


def _manifest(path):
    wrapper = json.loads(path.read_bytes())
    text = json.dumps(wrapper["manifest"], sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == wrapper["sha256"], path
    assert wrapper["manifest"]["format"] == "bignet-store"
    return wrapper["manifest"]


def _table(folder, record):
    data = (folder / record["name"]).read_bytes()
    assert len(data) == record["n_bytes"], record
    assert hashlib.sha256(data).hexdigest() == record["sha256"], record
    with pq.ParquetFile(folder / record["name"], page_checksum_verification=True) as file:
        table = file.read()
    assert table.num_rows == record["rows"] > 0, record
    paths = table["path"].to_pylist()
    assert paths == sorted(paths), "rows are in path order"
    return table


def _add_rows(content, table, data):
    declared = {_column(item): item["dims"] for item in data["embeddings"]}
    assert set(table.schema.names) == METADATA | declared.keys()
    vectors = {name: _vectors(table, name, dims) for name, dims in declared.items()}
    for number, row in enumerate(table.select(["path", "sha256", "id"]).to_pylist()):
        assert row["path"] not in content.rows, f"{row['path']} occurs twice"
        assert len(row["sha256"]) == hashlib.sha256().digest_size
        content.rows[row["path"]] = (row["sha256"], {name: values[number] for name, values in vectors.items()})
        content.ids[row["path"]] = row["id"]


def _column(item):
    """``layer4.gem3``, ``layer4.gem3.center.whiten8-0.25``; imported vectors have no pool."""
    steps = item["derived"]["steps"].split(",") if "derived" in item else []
    words = [[item["layer"]], item["pool"].split(":") if item["pool"] else [], *(step.split(":") for step in steps)]
    return ".".join(word[0] + "-".join(word[1:]) for word in words if word)


def _vectors(table, name, dims):
    values = np.array(table[name].to_pylist(), dtype=np.float64)
    assert values.shape == (table.num_rows, dims)
    assert np.isfinite(values).all()
    assert values.any(axis=1).all(), "a vector of zeros has no direction"
    return values


def _add_rejected(content, table):
    for row in table.to_pylist():
        assert row["path"] not in content.rejected, f"{row['path']} occurs twice"
        assert row["reason"] in REASONS, row
        content.rejected[row["path"]] = row["reason"]


def _check_ids(content, data):
    assert len(set(content.ids.values())) == len(content.ids), "an id occurs twice"
    assert all(0 <= number < data["next_id"] for number in content.ids.values())
    assert not content.rows.keys() & content.rejected.keys(), "a path is embedded and rejected"


def _check_counts(content, counts, data):
    assert (counts["embedded"], counts["rejected"]) == (len(content.rows), len(content.rejected))
    if data["complete"]:
        assert counts["discovered"] == len(content.rows) + len(content.rejected)
        assert counts["pending"] == 0
