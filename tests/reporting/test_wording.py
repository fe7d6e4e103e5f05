"""What the page says in plain words: its scale, its shades, its settings, its neighbouring clusters."""

from dataclasses import replace

import pytest

from bignet.reporting.facts import Facts
from bignet.reporting.plain import PlainScore
from bignet.reporting.sections import clusters, geometry, methods, scorecard, top
from bignet.reporting.sections.neighbours import Scale
from bignet.reporting.verdict import judge
from tests.reporting.factory import make_world


@pytest.fixture(scope="module")
def facts():
    world = make_world(None, ["a", "b", "c"] * 40, spread=0.8, families=True)
    return Facts(world.evaluation, replace(world.source, method={"mode": "loo", "unlabelled": "drop", "seed": 7}))


@pytest.mark.parametrize(
    ("share", "word", "at"), [(0.2, "weak", 11.1), (0.41, "mixed", 34.4), (0.95, "very good", 94.4)]
)
def test_the_ruler_stands_where_the_score_is(facts, share, word, at):
    placed = Facts(facts.evaluation, facts.source)
    placed.__dict__["plain"] = PlainScore(share, 0.1, first_only=False)
    found = top.ruler(placed)
    assert [name for name, _, here in found.steps if here] == [word]
    assert found.at == at
    assert sum(width for _, width, _ in found.steps) == pytest.approx(100)


def test_the_top_says_what_was_tested_and_by_which_network(facts):
    assert top.tested(facts) == "120 images in 3 classes, embedded by resnet50"


def test_shades_are_labelled_by_similarity_and_the_far_end_stays_dark():
    scale = Scale(0.05, 0.75)
    assert scale.legend == ("0.950", "0.250")
    assert scale.step(0.7) > scale.step(0.1)


def test_the_strict_score_stands_beside_the_plain_one(facts):
    text = next(item for item in judge(facts).sentences if item.rule.id == "P2-enough").sentence
    assert text.startswith("The strict score for comparing models is macro MAP@R")
    assert f"{top.hundred(facts).share} of 100 is the plain one" in text


def test_settings_are_said_in_plain_words(facts):
    assert dict(methods.setup(facts)) == {
        "who is compared": "each image against all others (loo)",
        "images without a label": "left out of the scores (drop)",
        "seed": "7",
    }


def test_a_split_into_the_fewest_clusters_tried_says_so(facts):
    found = facts.evaluation.clusters
    smallest, *_, largest = sorted(found.clusterings)
    for k, says in ((smallest, True), (largest, False)):
        evaluation = replace(facts.evaluation, clusters=replace(found, suggested=k))
        assert ("the smallest number tried" in clusters.answer(Facts(evaluation, facts.source))) == says


def test_commands_do_what_the_advice_says(facts):
    assert scorecard.advice(facts).command is None
    found = facts.evaluation.geometry
    metrics = tuple(replace(m, value=9.0) if m.id == "hub_skew" else m for m in found.hubness.metrics)
    evaluation = replace(facts.evaluation, geometry=replace(found, hubness=replace(found.hubness, metrics=metrics)))
    advice = geometry.advice(Facts(evaluation, facts.source))
    assert "another layer" in advice.text
    assert advice.command == "bignet layers resnet50"
