import json
import math
from dataclasses import replace

import numpy as np
import pytest

from bignet.errors import MismatchError, UsageError
from bignet.evaluate import clock, pair_scores
from bignet.evaluate.evaluate import evaluate
from bignet.evaluate.settings import EvaluateSettings
from bignet.evaluate.sweep.judge import judge
from bignet.evaluate.sweep.overlap import cka_unbiased, overlap_at_k
from bignet.evaluate.sweep.recommend import RULES, recommend
from bignet.evaluate.sweep.settings import SweepSettings
from bignet.evaluate.sweep.stability import stabilities
from bignet.evaluate.sweep.trade import costs_instead, unresolved
from bignet.evaluate.sweep.warn import about_halves
from bignet.evaluate.sweep.weights import Weights, pick, worth
from tests.evaluate.sweeps import World, choice, cost

NOISES = [0.1, 0.2, 1.5, 4.0]
QUICK = SweepSettings(strips=5)


@pytest.fixture(autouse=True, scope="module")
def memory_is_not_handed_back():
    """It takes most of the time of sweeps as small as these."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "give_back", lambda: None)
        patch.setattr(pair_scores, "give_back", lambda: None)
        yield


def judged(world, settings=QUICK, **fields):
    given = {"altered": world.altered, **fields}
    return judge(world.images, world.choices, world.costs, world.read, settings=settings, **given)


def relabelled(world, labels):
    world.images = replace(world.images, labels=labels)
    return world


@pytest.fixture(scope="module")
def world():
    return World(NOISES, n=160, copies=40)


@pytest.fixture(scope="module")
def sweep(world):
    return judged(world)


def test_the_best_choice_comes_first_and_what_is_worse_is_not_tied(sweep):
    names = [item.choice.name for item in sweep.scored]
    assert sweep.ranking == "map@r.macro"
    assert set(names[:2]) == {"net/f0.gap", "net/f1.gap"}
    assert names[2:] == ["net/f2.gap", "net/f3.gap"]
    assert [item.tied for item in sweep.scored] == [True, True, False, False]
    assert [item.to_best is None for item in sweep.scored] == [True, False, False, False]
    chosen = [item.chosen_half.value for item in sweep.scored]
    assert chosen == sorted(chosen, reverse=True)


def test_the_front_is_drawn_by_the_choosing_half_speed_and_bytes(world):
    costs = {one.name: cost(speed, n_bytes) for one, (speed, n_bytes) in
             zip(world.choices, ((10.0, 512), (10.0, 256), (9.0, 512), (None, 128)), strict=True)}  # fmt: skip
    found = judge(world.images, world.choices, costs, world.read, settings=QUICK)
    scores = [found.named(one.name).chosen_half.value for one in world.choices]
    assert found.named("net/f0.gap").on_front == (scores[0] > scores[1])
    assert found.named("net/f1.gap").on_front
    assert not found.named("net/f2.gap").on_front
    assert found.named("net/f3.gap").on_front
    fewest = {one.name: cost(10.0, 64 * 2**place) for place, one in enumerate(world.choices[::-1])}
    found = judge(world.images, world.choices, fewest, world.read, settings=QUICK)
    assert [item.on_front for item in found.scored[2:]] == [True, True]


def test_a_difference_is_that_of_the_reported_scores(sweep):
    best = sweep.scored[0]
    for item in sweep.scored[1:]:
        assert item.to_best.value == pytest.approx(item.reported.value - best.reported.value, abs=1e-9)
        assert item.to_best.lo < item.to_best.value < item.to_best.hi
        assert item.to_best.params["less"] == best.choice.name
        assert item.reported.lo < item.reported.value < item.reported.hi
        assert item.reported.n_queries + item.chosen_half.n_queries == 160


def test_every_number_is_the_one_a_report_gives(world, sweep):
    labels = [f"top#{label}" if label == "class 0" else f"low#{label}" for label in world.images.labels]
    labels[5] = None
    found = judged(relabelled(World(NOISES, n=160, copies=40), labels)).named("net/f2.gap").metrics
    told = evaluate(world.vectors["net/f2.gap"], world.images.ids, labels, EvaluateSettings(clusters=None, bootstrap=0))
    for name in ("map@r.macro", "map@r", "p@1", "pair_auroc", "plausible_fp", "rankme_centered", "hub_skew"):
        assert found[name].value == pytest.approx(told.metric(name).value, abs=1e-9), name
        assert found[name].n_queries == told.metric(name).n_queries or name == "pair_auroc", name
    assert found["plausible_fp"].chance == told.metric("plausible_fp").chance
    assert found["map@r.macro"].chance == pytest.approx(told.metric("map@r.macro").params["chance_exact"])
    assert found["map@r.macro"].excluded.unlabelled == 1
    assert found["silhouette"].value == pytest.approx(told.metric("silhouette_cosine").value, abs=1e-9)
    assert found["margin"].value == pytest.approx(np.mean([row.margin for row in told.classes]), abs=1e-9)
    assert 0.3 < found["v_measure"].value < 1.0
    apr = {row.label: row.map_r.value for row in told.classes}
    scored = judged(relabelled(World(NOISES, n=160), labels)).named("net/f2.gap")
    assert scored.per_class == pytest.approx(apr)
    assert scored.reported.gallery_size + scored.chosen_half.gallery_size == 159
    assert scored.reported.chance == pytest.approx(0.07, abs=0.04)


def test_two_runs_give_the_same_and_the_order_of_choices_changes_nothing(world, sweep):
    again = judge(world.images, world.choices[::-1], world.costs, world.read, world.altered, QUICK)
    assert again.scored == sweep.scored
    assert again.recommendations == sweep.recommendations
    assert again.gallery_fingerprint == sweep.gallery_fingerprint


def test_records_are_plain_enough_for_json(sweep):
    for item in sweep.scored:
        for metric in (*item.metrics.values(), item.chosen_half, item.reported):
            json.dumps([metric.value, metric.lo, metric.hi, metric.chance, dict(metric.params)], allow_nan=False)
            assert (metric.value is None) == (metric.reason is not None), metric.id


def test_images_that_a_model_rejected_are_left_out_for_all():
    world = World([0.2, 0.3], n=80)
    ids = world.images.ids
    order = np.random.default_rng(1).permutation(75)
    other = replace(world.choices[1], model="other", store="other", name="other/f1.gap")
    vectors = {world.choices[0].name: world.vectors["net/f0.gap"], other.name: world.vectors["net/f1.gap"][order]}
    vectors[other.name][3] = np.nan  # and one more has no direction
    images = replace(world.images, held={"net": ids, "other": ids[:75][order]})
    costs = {name: cost() for name in vectors}
    found = judge(images, [world.choices[0], other], costs, lambda one: vectors[one.name], settings=QUICK)
    kept = [place for place in range(75) if place != order[3]]
    np.testing.assert_array_equal(found.ids, ids[kept])
    assert found.paths == tuple(images.paths[place] for place in kept)
    assert found.labels == tuple(images.labels[place] for place in kept)
    assert found.n_left_out == 6
    assert any("6 images were left out" in line for line in found.warnings)
    for name, table in world.vectors.items():
        told = evaluate(table[kept], ids[kept], found.labels, EvaluateSettings(families=False, bootstrap=0))
        item = found.named(name if name == "net/f0.gap" else "other/f1.gap")
        assert item.metrics["map@r.macro"].value == pytest.approx(told.metric("map@r.macro").value, abs=1e-12)


def test_a_choice_without_directions_is_dropped_with_its_reason():
    world = World([0.2, 0.3], n=60)
    world.vectors["net/f1.gap"][:30] = 0
    found = judged(world)
    assert [item.choice.name for item in found.scored] == ["net/f0.gap"]
    assert "30 of 60 vectors are all zero" in found.dropped[0].reason
    assert found.n_left_out == 0


@pytest.mark.parametrize("longest", [1.0, 50.0])
def test_a_choice_whose_vectors_all_point_the_same_way_is_dropped_however_files_lie(longest):
    """In the order of the files, which is that of the classes, one class would be found without fail."""
    world = World([0.5, 1.0, 0.7])
    order = np.argsort(world.codes, kind="stable")
    ids = np.sort(world.images.ids)
    images = replace(world.images, ids=ids, labels=[f"class {code}" for code in world.codes[order]], held={"net": ids})
    vectors = {name: values[order] for name, values in world.vectors.items()}
    shape, rng = vectors["net/f1.gap"].shape, np.random.default_rng(0)
    vectors["net/f1.gap"] = (rng.random(shape[1]) * np.linspace(1, longest, shape[0])[:, None]).astype(np.float32)

    found = judge(images, world.choices, world.costs, lambda one: vectors[one.name])
    assert sorted(item.choice.name for item in found.scored) == ["net/f0.gap", "net/f2.gap"]
    (dropped,) = found.dropped
    assert (dropped.layer, dropped.pool) == ("f1", "gap")
    assert "point the same way" in dropped.reason
    assert any(line.startswith("not scored: net/f1.gap, since all vectors") for line in found.warnings)

    alone = judge(images, world.choices[1:2], world.costs, lambda one: vectors[one.name])
    assert len(alone.scored) == 1
    assert any("scores mean nothing" in line for line in alone.warnings)


def test_halves_that_disagree_are_told(sweep):
    assert not any("disagree" in line for line in sweep.warnings)
    best, other = sweep.scored[0], next(item for item in sweep.scored if not item.tied)
    higher = replace(other, to_best=replace(other.to_best, value=0.1))
    assert [*about_halves([best, other])] == []
    (line,) = about_halves([best, higher])
    assert f"another choice scores higher than the best, {other.choice.name} most of all" in line


def test_without_labels_altered_copies_decide():
    world = World([3.0, 0.1, 0.1], n=90, copies=60, labelled=False)
    copies = world.copies["net/f1.gap"]
    own = [world.images.ids.tolist().index(one) for one in copies.ids]
    copies.vectors[:] = world.vectors["net/f1.gap"][own]
    found = judged(world)
    assert found.ranking == "self_hit@1"
    assert found.scored[0].choice.name == "net/f1.gap"
    assert found.scored[0].reported.value == 1.0
    assert found.scored[0].reported.n_queries + found.scored[0].chosen_half.n_queries == 60
    assert not found.scored[1].tied
    assert found.scored[0].metrics["map@r.macro"].reason == "no labels"
    assert found.scored[0].self_hit == {"blur": ((0.5, 1.0), (2.0, 1.0))}
    assert any("nothing here says neighbours are right" in line for line in found.warnings)
    assert found.class_distance is None


def test_without_labels_or_copies_what_others_agree_with_decides():
    world = World([0.3, 0.6, 6.0], n=60, labelled=False)
    found = judged(world)
    assert found.ranking == "overlap_stability"
    assert found.scored[-1].choice.name == "net/f2.gap"
    unit = {name: v / np.linalg.norm(v, axis=1, keepdims=True) for name, v in world.vectors.items()}
    near = {name: np.argsort(np.eye(60) * 9 - u @ u.T, axis=1)[:, :10] for name, u in unit.items()}
    for item in found.scored:
        own, others = near[item.choice.name], [lists for name, lists in near.items() if name != item.choice.name]
        shares = [len({*a} & {*b}) / 10 for lists in others for a, b in zip(own.tolist(), lists.tolist(), strict=True)]
        assert item.metrics["overlap_stability"].value == pytest.approx(np.mean(shares))
    assert (
        judged(World([0.3], labelled=False)).scored[0].metrics["overlap_stability"].reason.startswith("needs another")
    )


def test_every_network_counts_the_same_and_the_own_layer_does_not():
    rng = np.random.default_rng(0)
    choices = [choice(name, 8, model) for name, model in
               (("a.gap", "x"), ("a.max", "x"), ("b.gap", "x"), ("c.gap", "y"), ("d.gap", "y"))]  # fmt: skip
    lists = [np.array([rng.permutation(12)[:4] for _ in range(7)], dtype=np.int32) for _ in choices]
    found = stabilities(choices, lists, 4)

    def overlap(i, j):
        return overlap_at_k(lists[i], lists[j], 4)

    np.testing.assert_allclose(found[0], (overlap(0, 2) + (overlap(0, 3) + overlap(0, 4)) / 2) / 2)
    np.testing.assert_allclose(found[1], (overlap(1, 2) + (overlap(1, 3) + overlap(1, 4)) / 2) / 2)
    np.testing.assert_allclose(found[3], ((overlap(3, 0) + overlap(3, 1) + overlap(3, 2)) / 3 + overlap(3, 4)) / 2)
    np.testing.assert_allclose(stabilities(choices[:2], lists[:2], 4)[0], overlap(0, 1))
    assert stabilities(choices[:1], lists[:1], 4) == [None]


@pytest.mark.parametrize(
    ("labels", "ranking"),
    [
        (["a"] * 40, "self_hit@1"),
        ([str(i) for i in range(40)], "self_hit@1"),
        ([None] * 40, "self_hit@1"),
        ([str(i // 2) for i in range(40)], "map@r.macro"),
        (["a", "a", "b"] + [None] * 37, "map@r.macro"),
    ],
    ids=["one class", "singletons", "unlabelled", "pairs", "two queries"],
)
def test_labels_that_say_little_still_give_a_sweep(labels, ranking):
    found = judged(relabelled(World([0.2, 1.0], n=40, copies=10), labels))
    assert found.ranking == ranking
    assert [item.preset for item in found.recommendations] == ["best", "balanced", "cheapest"]
    assert found.warnings


@pytest.mark.parametrize("n", [1, 2, 3, 6, 12])
def test_few_images_still_give_a_sweep(n):
    found = judged(World([0.2, 1.0], n=n, copies=min(n, 3), dims=1 + n // 6))
    assert len(found.scored) == 2
    assert found.recommendations
    assert any("fewer than 100" in line for line in found.warnings)


def test_one_choice_is_recommended_for_everything():
    found = judged(World([0.5]))
    assert {item.name for item in found.recommendations} == {"net/f0.gap"}
    assert found.scored[0].tied
    assert found.scored[0].on_front
    assert not judged(World([])).recommendations


def test_a_large_set_is_judged_on_a_sample_that_is_the_same_for_all():
    found = judged(World([0.2, 0.2], n=300, copies=50), replace(QUICK, exact_rows=100))
    assert 95 <= len(found.ids) <= 110
    assert found.n_left_out == 0
    assert found.scored[0].metrics["map@r"].estimator.startswith("sampled")
    assert any("of 300 images" in line for line in found.warnings)


def test_layers_are_compared_within_a_model(world, sweep):
    ((layers, matrix),) = sweep.cka.values()
    assert layers == ("f0", "f1", "f2", "f3")
    a, b = world.vectors["net/f0.gap"], world.vectors["net/f2.gap"]
    assert matrix[0, 2] == pytest.approx(cka_unbiased(a, b), abs=1e-12)
    pooled = World([0.1], name="f{}.max")
    assert judged(pooled).cka == {}


def test_strips_show_the_same_queries_under_each_choice(world, sweep):
    assert len({strip.query for strip in sweep.strips}) == 5
    by_image = evaluate(
        world.vectors[sweep.recommendations[1].name],
        world.images.ids,
        world.images.labels,
        EvaluateSettings(families=False, bootstrap=0),
    ).per_query.apr
    assert by_image[sweep.strips[0].query] == by_image.min()
    for strip in sweep.strips:
        assert set(strip.neighbours) == {item.choice.name for item in sweep.scored}
        for name, rows in strip.neighbours.items():
            unit = world.vectors[name] / np.linalg.norm(world.vectors[name], axis=1, keepdims=True)
            scores = unit @ unit[strip.query]
            scores[strip.query] = -np.inf
            np.testing.assert_array_equal(rows, np.argsort(-scores)[: QUICK.k])
            np.testing.assert_allclose(strip.similarity[name], np.sort(scores)[::-1][: QUICK.k], atol=1e-6)


def with_lows(sweep, lows):
    """The choices, the later the cheaper, all on the front, and how far below the best each may be."""
    found = []
    for place, (item, low) in enumerate(zip(sweep.scored, lows, strict=True)):
        change = None if place == 0 else replace(item.to_best, lo=low)
        found.append(replace(item, cost=cost(50.0 * 2**place, 512), on_front=True, to_best=change))
    return found


@pytest.mark.parametrize(
    ("lows", "balanced", "cheapest"),
    [
        ((0.0, -0.01, -0.02, -0.5), 1, 2),
        ((0.0, -0.02, -0.03, -0.031), 0, 2),
        ((0.0, -0.5, -0.5, -0.009), 3, 3),
        ((0.0, None, None, None), 0, 0),
    ],
)
def test_recommendations_follow_the_printed_rules(sweep, lows, balanced, cheapest):
    scored = with_lows(sweep, lows)
    names = [item.choice.name for item in scored]
    taken = {item.preset: item for item in recommend(scored)}
    assert [rule.preset for rule in RULES] == [*taken] == ["best", "balanced", "cheapest"]
    assert taken["best"].name == names[0]
    assert taken["balanced"].name == names[balanced]
    assert taken["cheapest"].name == names[cheapest]
    assert "0.01" in taken["balanced"].rule


def spread(images_s, low, high, n_bytes=512):
    return replace(cost(images_s, n_bytes), images_s_end2end_lo=low, images_s_end2end_hi=high)


def test_a_rate_that_may_be_the_same_is_not_called_cheaper(sweep):
    """Of two rates whose ranges overlap the smaller vector is cheaper, of two that do not the faster network."""
    scored = with_lows(sweep, (0.0, -0.001, -0.002, -0.003))
    costs = [spread(100, 90, 110), spread(105, 95, 115), spread(101, 92, 109, 256), spread(120, 112, 130)]
    alike = [replace(item, cost=one) for item, one in zip(scored, costs, strict=True)]
    assert recommend(alike[:3])[1].name == alike[2].choice.name
    assert recommend(alike[:2])[1].name == alike[0].choice.name
    assert "the next best" in recommend(alike[:2])[1].reason  # not the cheaper one
    assert recommend(alike)[1].name == alike[1].choice.name  # 95-115 overlaps the fastest, 92-109 does not
    costs[3] = spread(120, 116, 130)
    alike[3] = replace(alike[3], cost=costs[3])
    assert recommend(alike)[1].name == alike[3].choice.name


def test_a_recommendation_says_what_would_change_it(sweep):
    scored = with_lows(sweep, (0.0, -0.0204, -0.3, -0.5))
    balanced = recommend(scored)[1]
    costs = "100 images/s instead of 50 and the same 512 bytes a vector"
    assert (
        balanced.changes == f"If you accept a score up to 0.021 below the best, take {scored[1].choice.name}: {costs}."
    )
    cheapest = recommend(with_lows(sweep, (0.0, -0.02, -0.03, -0.0251)))[2]
    assert cheapest.changes.startswith("If you accept less than 0.025 below the best")
    assert cheapest.reason.endswith("Nothing on the front is cheaper.")
    unknown = recommend(with_lows(sweep, (0.0, None, None, None)))[1]
    assert unknown.changes.startswith("More images")
    assert recommend(scored[:1])[1].changes.startswith("Nothing: it is the cheapest")
    dominated = [replace(item, on_front=place == 0) for place, item in enumerate(scored)]
    assert {item.name for item in recommend(dominated)} == {scored[0].choice.name}


def test_the_reason_weighs_the_choice_against_its_runner_up(sweep):
    best, second, *_ = scored = with_lows(sweep, (0.0, -0.0204, -0.3, -0.5))
    second = replace(second, to_best=replace(second.to_best, value=-0.012, hi=-0.004))
    balanced = recommend([best, second, *scored[2:]])[1]
    found = best.reported
    assert balanced.runner_up == second.choice.name
    assert balanced.reason.startswith(
        f"It scores {found.value:.3f} (95 % interval {found.lo:.3f} to {found.hi:.3f}) at 50 images/s and 512 bytes a "
        f"vector; the cheaper one that loses least, {second.choice.name}, would give 100 images/s instead of 50 and "
        "the same 512 bytes a vector, for a score 0.012 lower (0.004 to 0.020 lower)."
    )
    near = replace(second, to_best=replace(second.to_best, value=-0.003, lo=-0.008, hi=0.002))
    cheaper = recommend([best, near, *scored[2:]])[1]
    assert (cheaper.name, cheaper.runner_up) == (near.choice.name, best.choice.name)
    assert f"the best, {best.choice.name}, would give 50 images/s instead of 100" in cheaper.reason
    assert "for a score 0.003 higher (from 0.002 lower to 0.008 higher)." in cheaper.reason
    assert recommend(scored[:1])[1].runner_up == ""


def test_speeds_whose_ranges_overlap_are_not_told_apart():
    def measured(images_s):
        return replace(cost(images_s, 512), images_s_end2end_lo=images_s - 4, images_s_end2end_hi=images_s + 4)

    assert costs_instead(measured(56.0), measured(50.0)).startswith("about as many images/s (56) and the same 512")
    assert costs_instead(measured(60.0), measured(50.0)).startswith("60 images/s instead of 50 and")


def test_a_tie_that_only_the_number_of_comparisons_makes_is_known(sweep):
    item = replace(sweep.scored[1], tied=True)
    ends = {(-0.02, -0.01): True, (0.01, 0.02): True, (-0.02, 0.01): False, (None, None): False}
    for (lo, hi), expected in ends.items():
        assert unresolved(replace(item, to_best=replace(item.to_best, lo=lo, hi=hi))) is expected
    assert not unresolved(replace(item, tied=False, to_best=replace(item.to_best, lo=-0.02, hi=-0.01)))
    assert not unresolved(sweep.scored[0])


def test_unmeasured_speed_leaves_bytes_to_decide(sweep):
    scored = [
        replace(item, cost=replace(cost(n_bytes=1000 - place), images_s_end2end=None))
        for place, item in enumerate(with_lows(sweep, (0.0, 0.0, 0.0, 0.0)))
    ]
    assert recommend(scored)[1].name == scored[3].choice.name


def test_weights_pick_by_what_speed_and_size_are_worth(sweep):
    front = [replace(item, on_front=True) for item in sweep.scored]
    assert pick(front, Weights()) == sweep.scored[0].choice.name
    assert pick(front, Weights(speed=10.0)) == "net/f3.gap"
    one = front[0]
    expected = one.chosen_half.value + 0.02 * math.log2(one.cost.images_s_end2end) - 0.01 * math.log2(768)
    assert worth(one, Weights(0.02, 0.01), 1.0) == pytest.approx(expected)
    unmeasured = [replace(item, cost=replace(item.cost, images_s_end2end=None)) for item in front]
    assert pick(unmeasured, Weights(speed=10.0)) == sweep.scored[0].choice.name
    assert pick([replace(item, on_front=False) for item in front], Weights()) is None


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda w: setattr(w, "choices", [w.choices[0]] * 2), UsageError, "more than once"),
        (lambda w: w.costs.clear(), MismatchError, "no cost"),
        (lambda w: setattr(w, "images", replace(w.images, held={})), UsageError, "not among those held"),
        (lambda w: setattr(w, "images", replace(w.images, labels=["a"])), MismatchError, "labels: found 1"),
        (lambda w: setattr(w, "images", replace(w.images, ids=np.zeros(30, dtype=int))), UsageError, "more than once"),
        (lambda w: w.vectors.update({"net/f0.gap": np.ones((3, 2))}), MismatchError, "shape"),
        (lambda w: [v.fill(np.nan) or v for v in w.vectors.values()] and None, None, None),
    ],
)
def test_what_does_not_belong_together_is_refused(change, error, words):
    world = World([0.1, 0.2], n=30)
    change(world)
    if error is None:
        assert len(judged(world).dropped) == 2
        return
    with pytest.raises(error, match=words):
        judged(world)


def test_settings_refuse_what_they_cannot_do():
    with pytest.raises(UsageError, match="level"):
        SweepSettings(level=1.0)
    with pytest.raises(UsageError, match="k: found 0"):
        SweepSettings(k=0)


def test_progress_names_its_stages():
    told = []
    judged(World([0.1, 0.2], n=20), progress=lambda *step: told.append(step))
    assert ("score", 1, 2) in told
    assert [stage for stage, done, total in told if done == 0] == ["vectors", "score", "compare", "layers", "strips"]
