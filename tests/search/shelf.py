"""Stores with labels, sizes and awkward names; brute force over them."""

import hashlib

import numpy as np
import pyarrow as pa

from bignet.search.results import Query
from bignet.store.writer import Batch, Progress, writing
from tests.index import stores

LABELS = ("cat", "dog", None, "owl's", "a#b")


def label_of(row_id):
    return LABELS[row_id % len(LABELS)]


def width_of(row_id):
    return 37 * row_id % 1000


def path_of(row_id):
    return (b"x\xff/%d.jpg" if row_id % 7 == 3 else b"folder %d/it's.jpg") % row_id


def shelf(path, n=200, vectors_of=stores.vectors_of, seed=0):
    """A store of n rows, ids from 1000 -> its snapshot."""
    ids = range(1000, 1000 + n)
    table = stores.table(ids, seed, vectors_of)
    changed = {
        "path": pa.array([path_of(row_id) for row_id in ids], pa.binary()),
        "sha256": pa.array([hashlib.sha256(b"%d" % row_id).digest() for row_id in ids], pa.binary(32)),
        "width": pa.array([width_of(row_id) for row_id in ids], pa.int32()),
        "label": pa.array([label_of(row_id) for row_id in ids], pa.string()),
    }
    for name, values in changed.items():
        table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), values)
    with writing(path) as writer:
        writer.create(stores.SPECS, stores.Source("folder", "/images", "elsewhere"))
        writer.commit(Batch(rows=table), Progress(n, complete=True))
    return stores.Snapshot.open(path)


def units(vectors):
    vectors = vectors.astype(np.float64)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def brute_force(snapshot, vector, rows=None):
    """Ids and cosines of those rows of the store, best first, equal ones in row order."""
    rows = np.arange(len(snapshot)) if rows is None else np.asarray(rows, np.int64)
    scores = units(snapshot.vectors())[rows] @ units(vector)
    order = np.argsort(-scores.round(9), kind="stable")
    return snapshot.ids()[rows[order]].tolist(), scores[order]


def asked(vector):
    return Query("vector", np.asarray(vector, np.float32))
