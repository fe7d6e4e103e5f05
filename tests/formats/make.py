"""A store as this version writes it, kept for later versions to read: ``python -m tests.formats.make FOLDER``.

Each release adds a folder of its own under tests/formats, named after its formats; none is ever written again.
"""

import json
import sys
from pathlib import Path

import numpy as np

import bignet
from bignet.derive.run import derive
from bignet.derive.settings import DeriveSettings
from bignet.imported import ImportedEncoder
from bignet.spec import EmbeddingSpec
from bignet.store.manifest import Source
from bignet.store.snapshot import Snapshot
from bignet.store.writer import Batch, writing
from tests.index.stores import index
from tests.store import rows

QUERY = 17
IMPORTED = EmbeddingSpec(ImportedEncoder("CLIP ViT-B/32", "clip.npy", "cd" * 32), "clip", "", 16)


def make(folder):
    """Two stores, one with an index of either kind, and what they must answer."""
    extracted = rows.make(folder / "extracted", n_rows=900, n_shards=2)
    with Snapshot.open(extracted) as snapshot:
        index(snapshot, "head.gap", kind="flat")
        index(snapshot, "body.gem3", kind="IVF16,Flat")
        expected = {spec.name: nearest(snapshot.vectors(spec.name)) for spec in snapshot.embeddings}
    with writing(folder / "imported") as writer:
        writer.create((IMPORTED,), Source("import", "/nowhere/images", "../images"))
        writer.commit(Batch(rows=rows.table(range(30), specs=(IMPORTED,))), rows.progress(30))
    (folder / "expected.json").write_text(json.dumps(expected, indent=1))


def make_derived(folder):
    """A derived store, and what it must answer to a vector from before its steps."""
    parent = rows.make(folder / "parent", n_rows=60, n_shards=2)
    with Snapshot.open(parent) as snapshot:
        derive(snapshot, folder / "derived", DeriveSettings("center,power:.5,whiten:6:.25,qe:3:2"))
        query = snapshot.vectors()[QUERY].astype(float) + 0.5
    hits = bignet.open(folder / "derived").search(query.astype(np.float32), k=5)
    expected = {"query": query.tolist(), "ids": [hit.id for hit in hits], "scores": [hit.score for hit in hits]}
    (folder / "derived.json").write_text(json.dumps(expected, indent=1))


def nearest(vectors):
    """Ids and cosines of the five rows nearest to one of them."""
    unit = vectors.astype(np.float64) / np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = unit @ unit[QUERY]
    best = np.argsort(-scores)[:5]
    return {"ids": best.tolist(), "scores": scores[best].tolist()}


if __name__ == "__main__":
    make(Path(sys.argv[1]))
    make_derived(Path(f"{sys.argv[1]}-derived"))
