import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bignet.errors import UsageError
from bignet.index.neighbors import normalised
from bignet.index.search import Index
from tests.index.stores import vectors_of

ROOT = Path(__file__).parents[2]


def brute_force(vectors, ids, query, k, exclude=()):
    """Cosines in float64 one row at a time, best first, equal ones in row order."""
    scored = []
    for row, vector in enumerate(vectors.astype(np.float64)):
        unit = (vector / np.sqrt((vector**2).sum())).astype(np.float32).astype(np.float64) if vector.any() else vector
        direction = query.astype(np.float64) / np.sqrt((query.astype(np.float64) ** 2).sum())
        if ids[row] not in exclude:
            scored.append((-round(float((unit * direction).sum()), 12), row))
    best = sorted(scored)[:k]
    return [int(ids[row]) for _, row in best], [-score for score, _ in best]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("dims", [1, 3, 64, 500])
@pytest.mark.parametrize("k", [1, 10, 150, 400])
def test_search_equals_brute_force(seed, dims, k):
    vectors = vectors_of(seed, 300, dims)
    ids = np.random.default_rng(seed).permutation(3000)[:300]
    query = vectors_of(seed + 100, 1, dims)[0]
    found = Index.exact(vectors, ids).search(query, k)
    wanted_ids, wanted_scores = brute_force(vectors, ids, query, k)
    np.testing.assert_allclose(found.scores, wanted_scores, atol=1e-6)
    if dims > 1:  # on a line every cosine is 1 or -1, up to rounding
        assert found.ids.tolist() == wanted_ids
    assert found.ids.dtype == np.int64
    assert found.scores.dtype == np.float64


@pytest.mark.parametrize("k", [1, 5, 84, 100, 500, 5000])
@pytest.mark.parametrize("better", [0, 1, 3, 40])
def test_equal_rows_come_in_row_order_whatever_is_before_them(k, better):
    copies = np.repeat(vectors_of(1, 1, 64), 5000, axis=0)
    query = vectors_of(2, 1, 64)[0] + copies[0]
    places = np.random.default_rng(3).permutation(5000)[:better]
    copies[places] = query + 0.05 * vectors_of(4, better, 64)
    found = Index.exact(copies, np.arange(5000)).search(query, k)
    rest = [row for row in range(5000) if row not in set(places.tolist())]
    assert set(found.ids[:better].tolist()) <= set(places.tolist())
    assert found.ids[better:].tolist() == rest[: max(k - better, 0)]
    assert (np.diff(found.scores) <= 0).all()


def test_duplicates_of_the_query_come_first_in_row_order():
    vectors = vectors_of(0, 200, 32)
    vectors[[150, 20, 77]] = vectors[5]
    found = Index.exact(vectors, np.arange(200)).search(vectors[5], 4)
    assert found.ids.tolist() == [5, 20, 77, 150]
    np.testing.assert_allclose(found.scores, 1, atol=1e-6)
    assert found.scores.max() <= 1.0


def test_only_the_direction_of_a_vector_counts():
    vectors = vectors_of(0, 50)
    plain = Index.exact(vectors, np.arange(50)).search(vectors[3], 50)
    scaled = Index.exact(vectors * np.float32(1000), np.arange(50)).search(vectors[3] * np.float32(1e-3), 50)
    assert plain.ids.tolist() == scaled.ids.tolist()
    np.testing.assert_allclose(plain.scores, scaled.scores, atol=1e-6)


@pytest.mark.parametrize("k", [40, 41, 10**9])
def test_more_than_there_are_gives_all(k):
    assert len(Index.exact(vectors_of(0, 40), np.arange(40)).search(vectors_of(1, 1)[0], k).ids) == 40


def test_an_empty_index_has_no_answer():
    found = Index.exact(np.empty((0, 16), np.float32), np.empty(0, np.int64)).search(vectors_of(1, 1)[0], 3)
    assert (len(found.ids), len(found.scores)) == (0, 0)


@pytest.mark.parametrize("n_excluded", [1, 3, 60, 200])
def test_excluded_ids_are_left_out_and_others_take_their_place(n_excluded):
    vectors, ids = vectors_of(0, 200), np.arange(200) * 7
    query = vectors_of(1, 1)[0]
    best = Index.exact(vectors, ids).search(query, 200).ids.tolist()
    exclude = frozenset(best[:n_excluded])
    found = Index.exact(vectors, ids).search(query, 10, exclude)
    assert found.ids.tolist() == best[n_excluded : n_excluded + 10]
    assert brute_force(vectors, ids, query, 10, exclude)[0] == found.ids.tolist()


def test_ids_that_are_not_there_can_be_excluded():
    index = Index.exact(vectors_of(0, 30), np.arange(30))
    query = vectors_of(1, 1)[0]
    assert index.search(query, 5, [99, -1]).ids.tolist() == index.search(query, 5).ids.tolist()


@pytest.mark.parametrize("k", [0, -1])
def test_fewer_than_one_neighbour_is_refused(k):
    with pytest.raises(UsageError, match=rf"k is {k}; ask for at least 1"):
        Index.exact(vectors_of(0, 5), np.arange(5)).search(vectors_of(1, 1)[0], k)


@pytest.mark.parametrize("shape", [(15,), (17,), (1, 16), (0,), ()])
def test_a_query_of_another_shape_is_refused(shape):
    with pytest.raises(UsageError, match="the index holds vectors of 16 dimensions"):
        Index.exact(vectors_of(0, 5), np.arange(5)).search(np.ones(shape, np.float32), 1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_query_that_is_not_finite_is_refused(value):
    query = vectors_of(1, 1)[0]
    query[7] = value
    with pytest.raises(UsageError, match="no direction"):
        Index.exact(vectors_of(0, 5), np.arange(5)).search(query, 1)
    with pytest.raises(UsageError, match="no direction"):
        Index.exact(vectors_of(0, 5), np.arange(5)).search(np.zeros(16, np.float32), 1)


def test_misuse_is_refused_without_assertions_too():
    code = (
        "import numpy as np\n"
        "from bignet.errors import UsageError\n"
        "from bignet.index.search import Index\n"
        "index = Index.exact(np.eye(4, dtype=np.float32), np.arange(4))\n"
        "for query, k in ((np.ones(3), 1), (np.ones(4), 0), (np.full(4, np.nan), 1), (np.zeros(4), 1)):\n"
        "    try:\n"
        "        index.search(query.astype(np.float32), k)\n"
        "    except UsageError:\n"
        "        print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-O", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["refused"] * 4


@pytest.mark.parametrize("length", [1e-42, 1e-30, 1.0, 1e30])
def test_rows_of_any_length_get_length_one(length):
    rows = normalised(np.array([[3, 4], [0, 0]], np.float32) * np.float32(length))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, 0]], rtol=1e-2 if length < 1e-40 else 1e-6)
    assert rows.dtype == np.float32


def test_callers_vectors_are_not_written_to():
    vectors, query = vectors_of(0, 20), vectors_of(1, 1)[0]
    before = vectors.copy(), query.copy()
    Index.exact(vectors, np.arange(20)).search(query, 5)
    np.testing.assert_array_equal(vectors, before[0])
    np.testing.assert_array_equal(query, before[1])
