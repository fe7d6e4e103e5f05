"""The rules of the verdict: each speaks when its condition holds, in words a stranger understands."""

from dataclasses import replace

import numpy as np
import pytest

from bignet.evaluate.confusion_result import ConfusedPair
from bignet.evaluate.findings import about_classes
from bignet.evaluate.geometry_result import Geometry, Hubness
from bignet.evaluate.result import Metric
from bignet.reporting.facts import Facts
from bignet.reporting.rules import RULES
from bignet.reporting.sections.top import weak_classes
from bignet.reporting.verdict import judge
from tests.reporting.factory import make_evaluation, make_world


def opposite():
    """160 points, a and b in turn: a is split between two far ends, with b between them."""
    angles = [0.01 * i / 80 if i % 2 else (-1.2 if i % 4 else 1.2) for i in range(160)]
    return np.array([[np.cos(t), np.sin(t)] for t in angles])


def verdict_of(labels, **options):
    world = make_world(None, labels, **options)
    return judge(Facts(world.evaluation, world.source))


def fired(labels, **options):
    return {item.rule.id for item in verdict_of(labels, **options).findings if item.fired}


SPEAKS = [
    ([], {}, "S1-empty"),
    ([None] * 5, {}, "S2-unlabelled"),
    (["a", "b"], {}, "S3-undefined"),
    (["a"] * 9, {}, "S4-one"),
    ([*"abcdefgh"] * 20, {"spread": 2.5}, "S5-weak"),
    ([*"abcdefgh"] * 20, {"spread": 1.6}, "S6-mixed"),
    ([*"abcdefgh"] * 20, {"spread": 1.1}, "S7-good"),
    (["a", "b"] * 80, {"spread": 0.1}, "S8-very-good"),
    ([None] * 5, {}, "P1-nothing"),
    (["a", "b"] * 8, {}, "V2-few"),
    (["a", "b"] * 80, {"spread": 0.1}, "P2-enough"),
    ([None] * 5, {}, "C1-unlabelled"),
    (["a", "b"] * 80, {"spread": 0.1}, "C2-classes"),
    (["a"] * 9, {}, "C3-unknown"),
    (["a", "b"] * 80, {"vectors": opposite()}, "V4-margin"),
    (["a", "b"] * 4, {"vectors": np.tile([[1.0, 0.0], [0.0, 1.0]], (4, 1))}, "V7-twins"),
    (["a", "b"], {"rejected": {"truncated": 1}}, "F1-rejected"),
    (["a", "a", "b", None], {}, "F2-unscored"),
    (["a", "b"] * 8, {"unusable": (0,)}, "F3-unusable"),
    (["a", "b"] * 3, {}, "F5-small"),
    (["a", "b"] * 8, {"warnings": ("one",)}, "F0-warnings"),
    ([], {}, "N2-empty"),
    (["a", "b"], {"rejected": {"truncated": 1}}, "N1-rejected"),
    ([None] * 5, {}, "N3-unlabelled"),
    (["a"] * 9, {}, "N4-undefined"),
    (["a", "b"] * 8, {}, "N5-few"),
    ([*"abcdefgh"] * 20, {"spread": 2.5}, "N7-weak"),
    (["a", "b"] * 80, {"spread": 0.1}, "N9-use"),
]


@pytest.mark.parametrize(("labels", "options", "rule"), SPEAKS, ids=[rule for *_, rule in SPEAKS])
def test_each_rule_speaks_when_its_condition_holds(labels, options, rule):
    assert rule in fired(labels, **options)


def findings_of(evaluation, source):
    verdict = judge(Facts(evaluation, source))
    return {item.rule.id: item for item in verdict.findings if item.fired}


def test_a_warning_that_a_flag_says_is_not_counted_again():
    world = make_world(None, ["a", "b"] * 80, vectors=opposite())
    margins = tuple(about_classes(world.evaluation.classes))
    assert margins
    found = findings_of(replace(world.evaluation, warnings=margins), world.source)
    assert "V4-margin" in found
    assert "F0-warnings" not in found
    found = findings_of(replace(world.evaluation, warnings=(*margins, "another")), world.source)
    assert found["F0-warnings"].sentence.startswith("1 warning came")


def test_a_negative_margin_is_called_one_and_its_lift_is_said_only_where_it_tells_something():
    world = make_world(None, ["a", "b"] * 80, vectors=opposite(), families=True)
    confusion = world.evaluation.confusion
    for lift, says in ((1.1, False), (1.5, True)):
        pairs = (ConfusedPair("a", "b", share=0.5, lift=lift, n_slots=80),)
        evaluation = replace(world.evaluation, confusion=replace(confusion, pairs=pairs))
        text = findings_of(evaluation, world.source)["V4-margin"].sentence
        assert text.startswith("By average distance 1 of 2 classes lies nearer")
        assert "a against b (margin \u2212" in text
        assert ("found 1.5 times as often as by chance" in text) == says
        assert "1.1 times" not in text


def test_a_class_whose_mistakes_no_other_leads_is_spread_over_several():
    world = make_world(None, [*"abcdef"] * 40, spread=1.6, families=True)
    confusion = world.evaluation.confusion
    row = min(confusion.classes, key=lambda item: item.purity)
    pair = row.top[0]
    for second, says in ((0.10, "taken for b"), (0.14, "spread over b and c")):
        top = (replace(pair, other="b", share=0.15, lift=2.0), replace(pair, other="c", share=second, lift=1.5))
        classes = tuple(replace(item, top=top) if item is row else item for item in confusion.classes)
        evaluation = replace(world.evaluation, confusion=replace(confusion, classes=classes))
        assert f"{row.label} ({says})" in findings_of(evaluation, world.source)["C2-classes"].sentence
        assert weak_classes(Facts(evaluation, world.source))[0].taken_for == says


def with_metrics(*metrics, labels=("a", "b") * 80, **options):
    """What fires when the evaluation also came to these numbers."""
    world = make_world(None, labels, spread=0.1, **options)
    evaluation = replace(world.evaluation, metrics=(*world.evaluation.metrics, *metrics))
    verdict = judge(Facts(evaluation, world.source))
    return {item.rule.id: item for item in verdict.findings if item.fired}


def test_a_gap_between_groups_kept_apart_and_ignored_raises_a_flag():
    headline = make_world(None, ("a", "b") * 80, spread=0.1).evaluation.metric("map@r.macro").value
    higher = Metric("map@r.macro.nogroups", headline + 0.06, n_queries=160)
    assert "inflated by 0.060" in with_metrics(higher)["V1-inflated"].sentence
    assert "V1-inflated" not in with_metrics(replace(higher, value=headline + 0.04))
    assert "V1-inflated" not in with_metrics()


def with_hub(n_lists):
    """160 images of which one is in so many lists."""
    counts = np.full(160, 5)
    counts[3] = n_lists
    hubness = Hubness(10, np.arange(160), counts, np.array([1.0]), ())
    world = make_world(None, ["a", "b"] * 80, spread=0.1)
    evaluation = replace(world.evaluation, geometry=Geometry(None, hubness, None, ()))
    verdict = judge(Facts(evaluation, world.source))
    return {item.rule.id: item for item in verdict.findings if item.fired}


def test_an_image_in_many_lists_raises_a_flag():
    assert "in 10 % of all lists" in with_hub(16)["V5-hub"].sentence.replace("\u00a0", " ")
    assert "V5-hub" not in with_hub(8)


def test_few_directions_raise_a_flag_and_plausible_mistakes_a_note():
    found = with_metrics(Metric("rankme_centered", 1.2), Metric("plausible_fp", 0.7))
    assert {"V5-rank", "V6-plausible"} <= set(found)
    assert "7.5 % of their 16 directions" in found["V5-rank"].sentence.replace("\u00a0", " ")
    found = with_metrics(Metric("rankme_centered", 1.7), Metric("plausible_fp", 0.69))
    assert not {"V5-rank", "V6-plausible"} & set(found)


def test_few_images_do_not_raise_the_flag_of_few_directions():
    few = with_metrics(Metric("rankme_centered", 1.2), labels=("a", "b") * 6)
    assert "V5-rank" not in few


def test_two_classes_that_cannot_be_told_apart_are_named_and_are_the_next_step():
    labels = ["a", "b", "c", "d", "e", "f", "g", "h"] * 40
    centres = {label: (0 if label == "b" else i) for i, label in enumerate("abcdefgh")}
    points = np.eye(8)[[centres[label] for label in labels]]
    points = points + 0.02 * np.random.default_rng(0).normal(size=points.shape)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    verdict = verdict_of(labels, vectors=points, families=True)
    weakest = next(item for item in verdict.sentences if item.rule.id == "C2-classes").sentence
    assert "(taken for b)" in weakest
    assert "(taken for a)" in weakest
    assert verdict.next_step.rule.id == "N8-class"
    assert verdict.next_step.sentence.startswith(("Look at a beside b", "Look at b beside a"))
    assert "path:" in verdict.next_step.command


def test_vectors_made_elsewhere_are_sent_to_another_encoder():
    world = make_world(None, [*"abcdefgh"] * 20, spread=2.5)
    verdict = judge(Facts(world.evaluation, replace(world.source, imported=True)))
    assert verdict.next_step.rule.id == "N6-weak"
    assert verdict.next_step.command.startswith("bignet import")


def test_a_stronger_network_is_another_one_than_was_used():
    world = make_world(None, [*"abcdefgh"] * 20, spread=2.5)
    assert world.source.provenance["model"] == "resnet50"
    command = judge(Facts(world.evaluation, world.source)).next_step.command
    assert "--model convnext_base" in command


def test_plain_words_count_neighbours_where_every_class_fills_a_list_and_first_ones_where_not():
    many = verdict_of(["a", "b"] * 80, spread=0.1).sentences[0].sentence
    assert many == "Very good: of 100 nearest neighbours, 100 show the same class; by chance 50 would."
    few = verdict_of(["a", "b", "c"] * 6, spread=0.1).sentences[0].sentence
    assert few == "Very good: of 100 images, 100 have a nearest neighbour of the same class; by chance 29 would."


def test_a_score_whose_interval_reaches_down_to_chance_is_called_chance():
    evaluation = make_evaluation(["a", "b"] * 80)
    headline = replace(evaluation.metrics[0], value=0.5, lo=0.4, hi=0.6, chance=0.4)
    evaluation = replace(evaluation, metrics=(headline, *evaluation.metrics[1:]))
    verdict = judge(Facts(evaluation, make_world(None, ["a", "b"] * 80).source))
    assert verdict.sentences[0].rule.id == "V3-chance"
    assert verdict.sentences[0].sentence.startswith("Cannot be told from chance: of 100 nearest neighbours")


def test_unusable_rows_count_as_embedded_whether_or_not_they_are_listed():
    world = make_world(None, ["a", "b"] * 8)
    evaluation = replace(world.evaluation, unusable={"nonfinite": (1, 2), "zero": (1000,)})
    facts = Facts(evaluation, world.source)
    assert (facts.n_evaluated, facts.n_embedded, facts.n_unusable) == (16, 18, 3)


@pytest.mark.parametrize("families", [False, True])
def test_the_verdict_is_always_three_sentences_and_a_next_step_and_rules_are_unique(families):
    for labels in ([], [None], ["a"], ["a", "a"], ["a", "b"], ["a", "b"] * 60, [None] * 30):
        verdict = verdict_of(labels, families=families)
        assert len(verdict.sentences) == 3
        assert verdict.next_step.command.startswith("bignet ")
    assert len({rule.id for rule in RULES}) == len(RULES)
