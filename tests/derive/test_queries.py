"""Queries of a derived store go through the steps that its rows went through."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

import bignet
from bignet.derive.fit import fit
from bignet.derive.neighbours import expanded
from bignet.derive.steps import parse_steps
from bignet.errors import UsageError
from tests.cli.conftest import MODEL, draw


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    root = tmp_path_factory.mktemp("derived")
    for number in range(14):
        draw(root / "in" / f"{number:02}.png", number)
    for number in (90, 91):
        draw(root / "new" / f"{number}.png", number)
    bignet.extract(root / "in", root / "parent", model=MODEL, weights="random:0", precision="fp32")
    bignet.extract(root / "new", root / "queries", model=MODEL, weights="random:0", precision="fp32")
    for name, steps in (("plain", "center,pca:5"), ("wide", "center,pca:5,qe:3:2")):
        bignet.derive_store(root / "parent", root / name, steps)
    return root


def units(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def both_sides(stores, query):
    """Ids by falling cosine, and the cosines, of a (D,) vector from before the steps; by hand."""
    vectors = bignet.open(stores / "parent").vectors()
    fitted = fit(parse_steps("center,pca:5"), vectors)
    scores = units(fitted.apply(vectors).astype(np.float64)) @ units(fitted.apply(query[None])[0].astype(np.float64))
    ids = bignet.open(stores / "parent").snapshot.ids()
    order = np.argsort(-scores, kind="stable")
    return ids[order].tolist(), scores[order]


def test_an_image_is_embedded_by_the_parents_encoder_and_goes_through_the_steps(stores):
    wanted, scores = both_sides(stores, bignet.open(stores / "queries").vectors()[0])
    hits = bignet.open(stores / "plain").search(str(stores / "new" / "90.png"), k=5)
    assert [hit.id for hit in hits] == wanted[:5]
    np.testing.assert_allclose([hit.score for hit in hits], scores[:5], atol=1e-5)


def test_a_vector_goes_through_the_steps_and_a_stored_row_has(stores):
    vectors = bignet.open(stores / "parent").vectors()
    wanted, scores = both_sides(stores, vectors[4])
    store = bignet.open(stores / "plain")
    for query in (vectors[4], int(store.snapshot.ids()[4]), str(stores / "in" / "04.png")):
        hits = store.search(query, k=14)
        assert [hit.id for hit in hits] == wanted
        np.testing.assert_allclose([hit.score for hit in hits], scores, atol=1e-6)


def test_centring_one_side_only_would_give_other_answers(stores):
    store, vectors = bignet.open(stores / "plain"), bignet.open(stores / "parent").vectors()
    fitted = fit(parse_steps("center,pca:5"), vectors)
    axes = fitted.parts[1].fitted["axes"]
    one_sided = units(store.vectors().astype(np.float64)) @ units(units(vectors[4].astype(np.float64)) @ axes)
    found = {hit.id: hit.score for hit in store.search(vectors[4], k=14)}
    other = dict(zip(store.snapshot.ids().tolist(), one_sided, strict=True))
    assert max(abs(found[row_id] - other[row_id]) for row_id in found) > 0.05


def test_a_folder_of_images_gives_the_answers_of_each(stores, tmp_path):
    store = bignet.open(stores / "plain")
    store.search_folder(stores / "new", tmp_path / "hits.parquet", k=3)
    rows = pq.read_table(tmp_path / "hits.parquet").to_pylist()
    for name in ("90.png", "91.png"):
        alone = store.search(str(stores / "new" / name), k=3)
        assert [row["id"] for row in rows if row["query"] == name] == [hit.id for hit in alone]


def test_queries_are_expanded_where_the_steps_say_so(stores):
    store, query = bignet.open(stores / "wide"), bignet.open(stores / "queries").vectors()[0]
    (step,) = parse_steps("qe:3:2")
    fitted = fit(parse_steps("center,pca:5"), bignet.open(stores / "parent").vectors())
    np.testing.assert_array_equal(store.vectors(), bignet.open(stores / "plain").vectors())
    (asked,) = expanded(fitted.apply(query[None]), store.vectors(), step)
    scores = np.sort(units(store.vectors().astype(np.float64)) @ asked.astype(np.float64))[::-1]
    np.testing.assert_allclose([hit.score for hit in store.search(query, k=14)], scores, atol=1e-5)
    plain = [hit.score for hit in bignet.open(stores / "plain").search(query, k=14)]
    assert np.abs(np.array(plain) - scores).max() > 1e-3


def test_vectors_of_another_dimension_are_refused(stores):
    with pytest.raises(UsageError, match="give vectors as they are before the steps"):
        bignet.open(stores / "plain").search(np.ones(5, np.float32))


def test_images_cannot_be_extracted_into_a_derived_store(stores):
    with pytest.raises(UsageError, match=r"is derived \(center,pca:5\) from '.*parent'.* bignet derive .* --update"):
        bignet.extract(stores / "in", stores / "plain", model=MODEL, weights="random:0")


def test_index_and_report_work_and_name_the_steps(stores, tmp_path):
    bignet.build_index(stores / "plain")
    found = bignet.open(stores / "plain").search(0, k=3)
    exact = bignet.open(stores / "plain").search(0, k=3, exact=True)
    assert found == exact
    bignet.report(stores / "wide", tmp_path / "report", thumbs=0)
    record = json.loads((tmp_path / "report" / "report.json").read_text())
    assert record["provenance"]["steps"] == "center,pca:5,qe:3:2"
    assert any("qe:3:2 is done to queries" in text for text in record["warnings"])


def test_a_report_on_mixed_rows_says_that_it_flatters(stores, tmp_path):
    bignet.derive_store(stores / "parent", tmp_path / "mixed", "dba:3:1")
    evaluation, _ = bignet.report(tmp_path / "mixed", tmp_path / "report", thumbs=0)
    assert any("each is in the images it finds: these figures are too high" in text for text in evaluation.warnings)
