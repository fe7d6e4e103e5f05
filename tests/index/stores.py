"""Stores of random vectors, written without any network."""

import uuid

import numpy as np
import pyarrow as pa

from bignet.index import build
from bignet.index.build import IndexSettings
from bignet.spec import EmbeddingSpec, EncoderSpec, Preprocess
from bignet.store import shards
from bignet.store.manifest import Source
from bignet.store.snapshot import Snapshot
from bignet.store.writer import Batch, Progress, writing

HALF = (0.5, 0.5, 0.5)
ENCODER = EncoderSpec("tests.tiny:build", "random:0", "ab" * 32, Preprocess(36, 32, "bilinear", HALF, HALF))
SPECS = tuple(EmbeddingSpec(ENCODER, "head", pool, 16) for pool in ("gap", "max"))


def vectors_of(seed, n, dims=16):
    """(n, dims) float32, no two lengths alike."""
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((n, dims)) * rng.uniform(0.1, 9, (n, 1))).astype(np.float32)


def clustered(seed, n, dims=16):
    """(n, dims) float32 around 40 centres, as images of some things are: neighbours that an index can miss."""
    centres = np.random.default_rng(1).standard_normal((40, dims)) * 1.2
    rng = np.random.default_rng(seed)
    return (centres[rng.integers(40, size=n)] + rng.standard_normal((n, dims))).astype(np.float32)


def table(ids, seed, vectors_of=vectors_of):
    """Rows of those ids with random vectors."""
    n = len(ids)
    paths = [f"{number:04d}.png".encode() for number in ids]
    columns = [
        pa.array(ids, pa.int64()),
        pa.array(paths, pa.binary()),
        pa.array([number.to_bytes(32, "big") for number in ids], pa.binary(32)),
        *[pa.array([7] * n, kind) for kind in (pa.int64(), pa.int32(), pa.int32(), pa.int64())],
        pa.array([None] * n, pa.string()),
    ]
    columns += [shards.vector_array(vectors_of(seed + number, n), spec) for number, spec in enumerate(SPECS)]
    return pa.Table.from_arrays(columns, schema=shards.schema(SPECS))


def make(path, ids=range(40), seed=0, vectors_of=vectors_of):
    """A store of those ids -> its snapshot."""
    with writing(path) as writer:
        writer.create(SPECS, Source("folder", "/images", str(uuid.uuid4())))
        add(writer, ids, seed, vectors_of=vectors_of)
    return Snapshot.open(path)


def add(writer, ids, seed, drop=(), vectors_of=vectors_of):
    """Commit further rows."""
    ids = list(ids)
    rows = table(ids, seed, vectors_of) if ids else None
    writer.commit(Batch(rows=rows, drop_ids=drop), Progress(len(ids), complete=False))


def extend(path, ids, seed=9, drop=(), vectors_of=vectors_of):
    """Add rows to a store, or drop some -> its new snapshot."""
    with writing(path) as writer:
        add(writer, ids, seed, drop, vectors_of)
    return Snapshot.open(path)


def index(snapshot, embedding=None, **settings):
    """Build an index from nothing -> its record."""
    return build.build(snapshot, snapshot.embedding(embedding), IndexSettings(**settings))
