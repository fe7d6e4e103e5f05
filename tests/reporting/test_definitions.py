"""Every number of the specification has a name, a meaning and a formula."""

from dataclasses import replace

import pytest

from bignet.evaluate.result import Metric
from bignet.reporting.definitions import FAMILIES, OTHER, VOCABULARY, define
from bignet.reporting.facts import Facts
from bignet.reporting.numbers import figure
from bignet.reporting.sections.scorecard import families
from tests.reporting.factory import make_world

IDS = {
    "retrieval": (
        "p@1 p@10 precision@5 hit@10 recall@10 r_precision map@r map@r.macro map@r.macro.nogroups map ap "
        "map@10/minRk mrr mrr@10 ndcg@10 knn_acc ncc_acc ncc_acc.macro tie_rate@10 "
        "p@1/tie-mean p@10/tie-mean.macro"
    ),
    "separation": (
        "class_distance class_margin cdnv silhouette_cosine silhouette_cosine.macro pair_auroc "
        "tar@far0.01 tar@far1e-3 tar@1e-4 eer relative_contrast alignment"
    ),
    "hierarchy": (
        "neighbour_purity@10 neighbour_purity@10.macro hP.macro p@1@level1 map@r@level2 "
        "map@r@level2.macro hP hR hF hP.micro hF.macro hprec@10 ahp@250 plausible_fp plausible_fp_lift "
        "plausible_fp.lift mistake_severity human_plausible"
    ),
    "geometry": (
        "rankme rankme_centered rankme.centered effective_rank_var participation_ratio nesum stable_rank "
        "alpha_req uniformity mean_cos mean_cos_centered lidar dead_dimensions zero_share hub_skew "
        "robin_hood antihub_rate hub_occupancy hub_max twonn lid_mle"
    ),
    "clusters": (
        "homogeneity completeness v_measure v_measure.noise_dropped ari ami purity stability noise_share "
        "cluster_stability cluster_noise simplified_silhouette v_measure.with_noise"
    ),
}


@pytest.mark.parametrize(("family", "metric_id"), [(f, i) for f, ids in IDS.items() for i in ids.split()])
def test_every_metric_has_words_and_a_family(family, metric_id):
    words = define(Metric(metric_id, 0.5, k=10))
    assert words.family == family
    assert words.name
    assert words.meaning
    assert words.formula
    assert "{" not in words.name + words.meaning + words.formula


def test_an_unknown_metric_is_named_by_its_id():
    assert define(Metric("new@thing", 3.0)).family == OTHER
    assert define(Metric("new@thing", 3.0)).name == "new@thing"


def test_words_say_depth_average_level_and_false_rate():
    assert define(Metric("p@10.macro", 0.5)).name == "macro P@10"
    assert define(Metric("p@10/tie-mean.macro", 0.5)).name == "macro P@10, ties in any order"
    assert define(Metric("p@1@level2", 0.5)).name == "P@1, level 2"
    assert define(Metric("tar@far0.001", 0.5)).name == "Match rate at 0.001 false"
    assert define(Metric("map@r.macro.nogroups", 0.5)).name == "macro MAP@R, groups not kept apart"


def test_every_word_belongs_to_a_family():
    assert {words.family for words in VOCABULARY.values()} == set(FAMILIES)


@pytest.mark.parametrize(("value", "text"), [
    (0.1234567, "0.123"), (1.70449, "1.704"), (23.3456, "23.35"), (227.84, "227.8"), (12480.3, "12,480"),
    (-1.1551, "\u22121.155"), (None, "\u2013"), (float("nan"), "\u2013"), (0.0, "0.000"), (9.9996, "10.00"),
])  # fmt: skip
def test_figures_have_at_most_four_digits(value, text):
    assert figure(value) == text


def test_the_scorecard_says_which_question_each_interval_answers():
    world = make_world(None, ["a", "b"] * 20)
    first, *rest = world.evaluation.metrics
    wider = replace(first, cluster_lo=0.1, cluster_hi=0.9, cluster_unit="class")
    facts = Facts(replace(world.evaluation, metrics=(wider, *rest)), world.source)
    rows = families(facts)[0].rows
    assert rows[0].beyond == "0.100 to 0.900 with other classes"
    assert {row.beyond for row in rows[1:]} == {""}
