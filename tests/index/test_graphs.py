"""The graph of ``hnsw``: made over principal components, answering with the vectors themselves."""

import faiss
import numpy as np
import pytest

from bignet.index import build, components, disk, graphs, kinds
from bignet.index.candidates import candidates_of, innermost, unrefined
from bignet.index.neighbors import normalised
from bignet.index.search import Index
from bignet.index.tuning import Aim
from bignet.index.vectors import InMemory


def along_few_directions(seed, n, dims=96, directions=12):
    """(n, dims) float32 unit vectors that differ in a dozen directions, and a little in all."""
    turn = np.random.default_rng(1).standard_normal((directions, dims))
    rng = np.random.default_rng(seed)
    return normalised(
        (rng.standard_normal((n, directions)) @ turn + 0.3 * rng.standard_normal((n, dims)) + 2).astype("f4")
    )


@pytest.fixture(scope="module")
def unit():
    return along_few_directions(0, 2000)


@pytest.fixture(scope="module")
def filled(unit):
    return build.fill(kinds.find("hnsw", 96, 2000), unit, np.arange(2000), Aim(0.9, 10))


@pytest.mark.parametrize(("rows", "dims"), [(400, 24), (30, 50)])
def test_components_are_those_of_the_whole_decomposition(rows, dims):
    vectors = along_few_directions(3, rows, dims, directions=5)
    found = components.principal(vectors, 5)
    variances, directions = np.linalg.eigh(np.cov(vectors, rowvar=False, bias=True, dtype=np.float64))
    np.testing.assert_allclose(found.shares, variances[::-1][:5] / variances.sum(), rtol=1e-3)
    overlap = np.abs(np.einsum("nd,dn->n", found.directions, directions[:, ::-1][:, :5]))
    np.testing.assert_allclose(overlap, 1, atol=1e-3)
    np.testing.assert_allclose(found.directions @ found.directions.T, np.eye(5), atol=1e-5)


def test_as_many_components_are_needed_as_hold_the_share():
    found = components.Components(np.zeros(3), np.eye(3), np.array([0.5, 0.3, 0.1]))
    assert [found.needed(share) for share in (0.4, 0.5, 0.6, 0.9, 0.95)] == [1, 1, 2, 3, 4]


def test_equal_vectors_have_components_too():
    found = components.principal(np.ones((50, 8), np.float32), 4)
    assert np.isfinite(found.directions).all()
    assert np.isfinite(found.shares).all()


def test_few_components_stand_for_vectors_that_differ_in_few_directions(filled):
    assert filled.kind.factory == "PCA32,HNSW16,SQ8,RFlat"
    assert innermost(filled.index.index).d == 32


def test_vectors_that_differ_in_all_directions_are_left_as_they_are():
    unit = normalised(np.random.default_rng(0).standard_normal((600, 64)).astype(np.float32))
    kind, found = graphs.fitted(kinds.find("hnsw", 64, 600), unit)
    assert (kind.factory, found) == ("HNSW16,SQ8,RFlat", None)


def test_distances_between_components_are_nearly_those_between_vectors(unit, filled):
    pca = faiss.downcast_VectorTransform(unrefined(filled.index.index).chain.at(0))
    short = pca.apply(unit[:200])
    whole = np.linalg.norm(unit[:100] - unit[100:200], axis=1)
    np.testing.assert_allclose(np.linalg.norm(short[:100] - short[100:], axis=1), whole, rtol=0.25)
    assert np.abs(short.mean(axis=0)).max() < 0.1  # centred


def test_it_answers_with_cosines_of_whole_vectors_after_being_written_and_read(unit, filled):
    writer = faiss.VectorIOWriter()
    faiss.write_index(filled.index, writer)
    reader = faiss.VectorIOReader()
    faiss.copy_array_to_vector(faiss.vector_to_array(writer.data), reader.data)
    read = faiss.read_index(reader)
    inner = faiss.downcast_index(read.index)
    held = disk.held_by(inner.refine_index, 96)
    ids = faiss.vector_to_array(read.id_map)
    np.testing.assert_array_equal(held, unit[ids])
    found = Index(ids, InMemory(held, read), candidates_of(inner, read), filled.tuning.chosen.effort)
    queries = along_few_directions(9, 300)
    _, scores = found.search_many(queries, 10)
    cosines = np.sort(queries.astype(np.float64) @ unit.T.astype(np.float64), axis=1)[:, ::-1][:, :10]
    assert (scores >= cosines[:, -1:] - 1e-6).mean() >= filled.tuning.recall_low
    np.testing.assert_allclose(scores[:, 0].max(), cosines[:, 0].max(), atol=1e-6)


def one_hot(n, dims=64):
    """(n, dims) unit vectors: many copies of few, nothing between them."""
    unit = np.zeros((n, dims), np.float32)
    unit[np.arange(n), np.arange(n) % dims] = 1
    return unit


def test_copies_that_a_graph_does_not_find_are_counted_as_missed():
    unit = one_hot(1500)
    filled = build.fill(kinds.find("hnsw", 64, 1500), unit, np.arange(1500), Aim(0.9, 10))
    ids = faiss.vector_to_array(filled.index.id_map)
    found = Index(ids, InMemory(unit[ids]), candidates_of(filled.index.index), filled.tuning.chosen.effort)
    _, scores = found.search_many(unit[:300], 10)
    assert (scores > 0.999).mean() >= filled.tuning.recall_low - 0.02
    assert filled.tuning.n_queries == 75
