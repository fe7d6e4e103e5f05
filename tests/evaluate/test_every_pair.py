import numpy as np
import pytest

from bignet.evaluate.cosine import Cosines
from bignet.evaluate.every_pair import EveryPair, cosines_of
from bignet.evaluate.labels import code_labels
from bignet.evaluate.pair_draw import PairDraw, pair_similarity
from bignet.evaluate.unit_rows import UnitRows
from tests.evaluate.worlds import world

KINDS = ("mixed", "codes", "cone", "far")


def vectors_of(kind, seed):
    """Rows with copies and ties; binary codes; rows in a narrow cone; float64 rows whose squares would overflow."""
    rng = np.random.default_rng(seed)
    if kind == "codes":
        codes = (rng.random((60, 12)) < 0.5).astype(np.uint8)
        codes[:, 0] = 1
        return codes
    if kind == "cone":
        return (1 + 1e-6 * rng.standard_normal((50, 33))).astype(np.float32)
    found = world(seed)[0]
    return found * 10.0 ** rng.integers(-200, 200, (len(found), 1)) if kind == "far" else found


@pytest.fixture(params=[(kind, seed) for kind in KINDS for seed in range(3)], ids=str)
def both(request):
    rows = UnitRows(vectors_of(*request.param))
    return EveryPair(rows), Cosines(rows)


@pytest.mark.parametrize("depth", [1, 7, 1000])
def test_neighbours_and_their_similarity_are_those_of_blocks(both, depth):
    queries = np.arange(len(both[0]))
    columns = np.flatnonzero(queries % 3)
    found = []
    for cosines in both:
        scores = cosines.block(queries)
        scores[queries, queries] = -np.inf
        whole, part = cosines.nearest(queries, scores, depth, 1000), scores[:, columns]
        found.append((whole, cosines.nearest(queries, part, depth, 1000, columns)))

    for ours, blocks in zip(*found, strict=True):
        width = min(depth, blocks.rows.shape[1])
        assert np.array_equal(ours.rows[:, :width], blocks.rows[:, :width])
        np.testing.assert_allclose(ours.similarity[:, :width], blocks.similarity[:, :width], rtol=0, atol=1.01e-12)


def test_the_farthest_and_single_pairs_are_those_of_blocks(both):
    queries = np.arange(len(both[0]))
    farthest, single = [], []
    for cosines in both:
        scores = cosines.block(queries)
        scores[queries, queries] = np.inf
        farthest.append(cosines.farthest(queries, scores)[0])
        single.append(cosines.exact(np.repeat(queries, len(queries)), np.tile(queries, len(queries))))

    assert np.array_equal(*farthest)
    np.testing.assert_allclose(*single, rtol=0, atol=1.01e-12)


def test_copies_score_alike_and_what_is_written_to_a_block_stays_there():
    vectors = np.random.default_rng(0).standard_normal((500, 131)).astype(np.float32)
    vectors[1::2] = vectors[1]
    cosines, queries = EveryPair(UnitRows(vectors)), np.arange(500)

    scores = cosines.block(queries)
    assert all(np.unique(scores[query, 1::2]).size == 1 for query in queries)
    assert np.array_equal(scores, scores.T)
    scores[:] = 7
    assert cosines.block(queries).max() == 1


def test_pairs_are_compared_as_one_by_one():
    vectors, labels, _ = world(4)
    rows, codes = UnitRows(vectors), code_labels(labels).codes
    for pairs in (PairDraw(codes, None, 300, 0).same(), PairDraw(codes, None, 300, 0).different()):
        found = EveryPair(rows).of_pairs(pairs)
        np.testing.assert_allclose(found, pair_similarity(rows, pairs), rtol=0, atol=1.01e-12)
        assert np.array_equal(Cosines(rows).of_pairs(pairs), pair_similarity(rows, pairs))


@pytest.mark.parametrize(
    ("n", "dim", "kind"), [(2048, 4, EveryPair), (2049, 4, Cosines), (100, 50_000, Cosines), (0, 4, Cosines)]
)
def test_only_few_rows_are_compared_all_at_once(n, dim, kind):
    assert type(cosines_of(UnitRows(np.ones((n, dim), dtype=np.float32)))) is kind
