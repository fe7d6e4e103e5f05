"""Rows, refusals and stores made without any network."""

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa

from bignet.spec import EmbeddingSpec, EncoderSpec, Preprocess
from bignet.store import shards
from bignet.store.manifest import Source
from bignet.store.writer import Batch, Progress, writing

ENCODER = EncoderSpec(
    model="tests.tiny:build",
    weights="random:0",
    weights_sha256="ab" * 32,
    preprocess=Preprocess(36, 32, "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
)
GAP = EmbeddingSpec(ENCODER, "head", "gap", 16)
GEM = EmbeddingSpec(ENCODER, "body", "gem:3", 6)
SPECS = (GAP, GEM)
SOURCE = Source("folder", "/nowhere/images", "../images")


def table(numbers, *, ids=None, specs=SPECS, n_bytes=100, seed=0):
    """A row for each number: path ``NNN.png``, the id the number unless given."""
    numbers = list(numbers)
    generator = np.random.default_rng(seed)
    columns = [
        pa.array(numbers if ids is None else list(ids), pa.int64()),
        pa.array([f"{number:03}.png".encode() for number in numbers], pa.binary()),
        pa.array([hashlib.sha256(f"{number} {seed}".encode()).digest() for number in numbers], pa.binary(32)),
        pa.array([n_bytes] * len(numbers), pa.int64()),
        pa.array([40] * len(numbers), pa.int32()),
        pa.array([30] * len(numbers), pa.int32()),
        pa.array([10**18 + number for number in numbers], pa.int64()),
        pa.array([None if number % 2 else "a#b" for number in numbers], pa.string()),
    ]
    columns += [
        shards.vector_array(generator.standard_normal((len(numbers), spec.dims), np.float32), spec) for spec in specs
    ]
    return pa.Table.from_arrays(columns, schema=shards.schema(specs))


def refusals(names):
    """A rejected row for each name."""
    names = sorted(name.encode() for name in names)
    values = [names, ["corrupt"] * len(names), ["broken"] * len(names), [7] * len(names), [10**18] * len(names)]
    columns = [pa.array(column, kind) for column, kind in zip(values, shards.REJECTED_SCHEMA.types, strict=True)]
    return pa.Table.from_arrays(columns, schema=shards.REJECTED_SCHEMA)


def progress(n_embedded, n_rejected=0, *, complete=True):
    """A run that found exactly what is now in the store."""
    return Progress(n_embedded + n_rejected, complete)


def make(path, n_rows=10, n_shards=2, names=("x.gif", "y.gif")):
    """A complete store of ``n_rows`` rows in ``n_shards`` shards, with refusals."""
    parts = np.array_split(np.arange(n_rows), n_shards)
    with writing(path) as writer:
        writer.create(SPECS, SOURCE)
        for number, part in enumerate(parts):
            last = number == n_shards - 1
            batch = Batch(rows=table(part.tolist(), seed=number), rejected=refusals(names) if last and names else None)
            writer.commit(batch, Progress(n_rows + len(names), complete=last))
    return Path(path)


def names_in(path):
    """Every file of a store, relative."""
    return sorted(str(item.relative_to(path)) for item in Path(path).rglob("*") if item.is_file())
