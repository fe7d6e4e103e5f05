"""Stores and indexes of every earlier format: they open and answer as they did, or say how to bring them up to date."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import bignet
from bignet.errors import UsageError
from bignet.index import disk, state
from bignet.index.state import Standing
from tests import oracle
from tests.formats.make import QUERY
from tests.store import rows

FORMATS = sorted(item for item in (Path(__file__).parent / "formats").iterdir() if (item / "expected.json").is_file())


@pytest.fixture(params=FORMATS, ids=lambda folder: folder.name)
def kept(request, tmp_path):
    """A copy of what a version wrote."""
    return shutil.copytree(request.param, tmp_path / "kept")


def test_there_is_something_to_open():
    assert [folder.name for folder in FORMATS] == ["store-1-index-2"]


def test_a_store_of_an_earlier_format_is_whole_and_holds_what_it_held(kept):
    expected = json.loads((kept / "expected.json").read_text())
    store = bignet.open(kept / "extracted")

    assert bignet.verify(kept / "extracted").ok
    assert len(oracle.check(kept / "extracted").rows) == len(store) == 900
    assert [spec.name for spec in store.embeddings] == list(expected)
    assert store.embeddings == rows.SPECS
    assert store.rejected()["reason"].to_pylist() == ["corrupt", "corrupt"]
    for name, nearest in expected.items():
        hits = store.search(QUERY, k=5, embedding=name, exact=True)
        assert [hit.id for hit in hits] == nearest["ids"]
        np.testing.assert_allclose([hit.score for hit in hits], nearest["scores"], atol=1e-6)


def test_an_index_of_an_earlier_format_answers_or_names_the_command_that_builds_it_again(kept):
    expected = json.loads((kept / "expected.json").read_text())
    store = bignet.open(kept / "extracted")
    for name, nearest in expected.items():
        found = state.look_at(store.snapshot, name, every_byte=True)
        if found.standing is Standing.UNREAD:
            with pytest.raises(UsageError, match="build it again with: bignet index STORE"):
                disk.open_index(store.snapshot, name)
            bignet.build_index(store.path, name)
        assert [hit.id for hit in bignet.open(store.path).search(QUERY, k=5, embedding=name)] == nearest["ids"]


def test_a_derived_store_of_an_earlier_format_does_its_steps_to_queries_as_it_did(tmp_path):
    kept = shutil.copytree(Path(__file__).parent / "formats" / "store-2-derived", tmp_path / "kept")
    expected = json.loads((kept / "derived.json").read_text())

    assert bignet.verify(kept / "derived").ok
    assert len(oracle.check(kept / "derived").rows) == 60
    hits = bignet.open(kept / "derived").search(np.array(expected["query"], np.float32), k=5)
    assert [hit.id for hit in hits] == expected["ids"]
    np.testing.assert_allclose([hit.score for hit in hits], expected["scores"], atol=1e-6)


def test_an_imported_store_of_an_earlier_format_opens_and_answers(kept):
    store = bignet.open(kept / "imported")

    assert bignet.verify(kept / "imported").ok
    assert store.embeddings[0].encoder.sentence == "imported from clip.npy (CLIP ViT-B/32)"
    assert store.search(3, k=1)[0].id == 3


def test_a_store_of_an_earlier_format_takes_further_rows(kept):
    from bignet.store.writer import Batch, writing

    with writing(kept / "extracted") as writer:
        writer.commit(Batch(rows=rows.table([900], seed=5), drop_ids=[3]), rows.progress(900, 2))

    assert len(oracle.check(kept / "extracted").rows) == 900
    assert bignet.verify(kept / "extracted").ok
