import numpy as np
import pytest

from bignet.evaluate import cosine
from bignet.evaluate.cosine import Cosines
from bignet.evaluate.evaluate import EvaluateSettings
from bignet.evaluate.gallery import label_gallery
from bignet.evaluate.graph import knn_graph
from bignet.evaluate.labels import code_labels
from bignet.evaluate.ranking import measure
from bignet.evaluate.unit_rows import UnitRows

SCORES = ("p1", "pk", "rp", "apr", "rr")


def measured(vectors, labels, **settings):
    chosen = EvaluateSettings(**settings)
    coded = code_labels(labels)
    return measure(Cosines(UnitRows(vectors)), label_gallery(coded.codes, chosen.unlabelled), coded.names, chosen)


@pytest.mark.parametrize("unlabelled", ["drop", "distractor"])
@pytest.mark.parametrize("seed", range(10))
def test_every_score_of_every_query_equals_brute_force(seed, unlabelled, oracle, awkward):
    vectors, labels = awkward(seed)
    found = measured(vectors, labels, k=4, graph_k=6, unlabelled=unlabelled).per_query
    expected = oracle.scores(vectors, labels, 4, unlabelled)
    assert np.flatnonzero(found.n_relevant > 0).tolist() == sorted(expected)
    for query, scores in expected.items():
        for name, value in scores.items():
            assert getattr(found, name)[query] == pytest.approx(value, abs=1e-12), (query, name)


def test_rows_that_are_no_queries_carry_no_score(awkward):
    vectors, labels = awkward(0)
    found = measured(vectors, labels).per_query
    idle = found.n_relevant < 1
    assert idle.any()
    assert set(found.n_relevant[idle]) == set(found.rank_first[idle]) == {-1}
    for name in SCORES:
        assert np.isnan(getattr(found, name)[idle]).all()


def test_a_first_hit_deep_in_the_ranking_is_found_exactly(oracle):
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((90, 3))
    vectors[40:60] = vectors[60:80]
    labels = [f"pair{i % 45}" for i in range(90)]
    found = measured(vectors, labels, k=1, graph_k=1).per_query
    expected = oracle.scores(vectors, labels, 1)
    assert max(scores["rank_first"] for scores in expected.values()) > 80
    assert found.rank_first.tolist() == [expected[i]["rank_first"] for i in range(90)]


def test_the_graph_in_the_pass_is_the_graph_alone(awkward):
    vectors, labels = awkward(2)
    graph, alone = measured(vectors, labels, k=3, graph_k=9).graph, knn_graph(vectors, 9, tie_at=(1, 3))
    assert np.array_equal(graph.rows, alone.rows)
    assert np.array_equal(graph.similarity, alone.similarity)
    assert graph.tie_rate == alone.tie_rate


def test_blocks_of_any_size_give_the_same_bits(monkeypatch, awkward):
    vectors, labels = awkward(3, n=200)
    whole = measured(vectors, labels, k=5)
    monkeypatch.setattr(cosine, "BLOCK_CELLS", 64)
    parts = measured(vectors, labels, k=5)
    for name in (*SCORES, "rank_first", "farthest", "farthest_similarity"):
        np.testing.assert_array_equal(getattr(whole.per_query, name), getattr(parts.per_query, name))
    for kind in ("values", "chance", "permuted", "tied"):
        for name, values in getattr(whole.scored, kind).items():
            np.testing.assert_array_equal(values, getattr(parts.scored, kind)[name])
    assert np.array_equal(whole.graph.rows, parts.graph.rows)


@pytest.mark.parametrize("seed", range(3))
def test_blocks_scored_in_float64_give_the_same_bits(seed, monkeypatch, awkward):
    vectors, labels = awkward(seed, n=200)
    single = measured(vectors, labels, k=5)
    monkeypatch.setattr(cosine, "_CROWDED", 10**12)  # any pair in doubt is one too many
    double = measured(vectors, labels, k=5)
    for name in (*SCORES, "rank_first", "farthest", "farthest_similarity"):
        np.testing.assert_array_equal(getattr(single.per_query, name), getattr(double.per_query, name))
    assert np.array_equal(single.graph.rows, double.graph.rows)
    assert np.array_equal(single.graph.similarity, double.graph.similarity)


def test_vectors_in_a_narrow_cone_are_ranked_exactly(oracle):
    rng = np.random.default_rng(0)
    vectors = (1 + 1e-4 * rng.standard_normal((80, 20))).astype(np.float32)
    labels = [f"c{i % 3}" for i in range(80)]
    found = measured(vectors, labels, k=3).per_query
    expected = oracle.scores(vectors, labels, 3)
    np.testing.assert_allclose(found.apr, [expected[i]["apr"] for i in range(80)], atol=1e-12)


def test_the_farthest_row_is_the_end_of_the_whole_ranking(oracle, awkward):
    vectors, labels = awkward(4)
    found = measured(vectors, labels).per_query
    last = [oracle.ranking(vectors, i, range(len(vectors)))[-1] for i in range(len(vectors))]
    assert found.farthest.tolist() == [row for _, row in last]


def test_ties_between_right_and_wrong_are_averaged_over_their_orders():
    vectors = np.array([[1.0, 0], [1, 0], [1, 0], [1, 0], [0, 1], [0, 1]])
    found = measured(vectors, ["a", "b", "a", "b", "c", "c"], k=2, graph_k=2)
    assert found.per_query.p1.tolist() == [0, 0, 1, 0, 1, 1]
    np.testing.assert_allclose(found.scored.tied["p@1"], [1 / 3] * 4 + [1, 1], rtol=1e-15)
    np.testing.assert_allclose(found.scored.tied["p@2"][:4], [1 / 3] * 4, rtol=1e-15)
    assert found.scored.tie_rate["p@1"] == pytest.approx(4 / 6)
