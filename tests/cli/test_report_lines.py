"""The lines that ``bignet report`` prints about an evaluation with everything in it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bignet.cli.report_lines import (
    checked,
    compared,
    headline,
    next_commands,
    number,
    time_line,
    worst_classes,
    written,
)
from bignet.evaluate.paired import Difference
from bignet.reporting.baseline import Comparison
from bignet.reporting.gate import Condition, Outcome
from bignet.reporting.past import Figure
from bignet.reporting.write import write_report
from tests.reporting.factory import make_world

if TYPE_CHECKING:
    from pathlib import Path

    from tests.reporting.factory import World

LABELS = [f"pet#{kind}" for kind in ("cat", "dog", "owl", "hen", "fox", "ape", "bat") for _ in range(12)]


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(None, LABELS, spread=1.8, families=True)


def test_the_figures_line_up_and_lead_with_the_headline(world: World) -> None:
    lines = headline(world.evaluation)

    assert lines[0].split("  ")[0] == "metric"
    assert "95 % interval" in lines[0]
    assert [line.split()[0] for line in lines[1:]] == [
        "map@r.macro", "map@r", "p@1", "p@10", "r_precision", "mrr", "pair_auroc",
    ]  # fmt: skip
    assert len({len(line) for line in lines}) == 1


def test_the_mean_over_orders_of_ties_stands_below_what_it_corrects(world: World) -> None:
    tied = tuple(replace(world.evaluation.metric("p@1"), id=f"p@{k}/tie-mean") for k in (10, 1))
    lines = headline(replace(world.evaluation, metrics=(*world.evaluation.metrics, *tied)))

    names = [line.split()[0] for line in lines[3:7]]
    assert names == ["p@1", "p@1/tie-mean", "p@10", "p@10/tie-mean"]


def test_the_interval_of_other_groups_stands_beside_that_of_other_images(world: World) -> None:
    first, *rest = world.evaluation.metrics
    wide = replace(first, cluster_lo=0.1, cluster_hi=0.9, cluster_unit="group")
    lines = headline(replace(world.evaluation, metrics=(wide, *rest)))

    assert "with other groups" in lines[0]
    assert "0.100-0.900" in lines[1]
    assert len({len(line) for line in lines}) == 1


def test_without_labels_the_figures_that_need_none_are_shown() -> None:
    lines = headline(make_world(None, [None] * 30, families=True).evaluation)

    assert [line.split()[0] for line in lines[1:]] == ["rankme_centered", "rankme", "hub_skew", "twonn"]


def test_the_worst_classes_are_named_with_what_they_are_taken_for(world: World) -> None:
    lines = worst_classes(world.evaluation)
    scores = {row.label: row.map_r.value for row in world.evaluation.classes}
    confusion = {item.label: item for item in world.evaluation.confusion.classes}

    named = [line.split()[0] for line in lines[1:]]
    assert named == sorted(scores, key=lambda label: scores[label])[:5]
    firsts = [confusion[name].top[0] for name in named]
    above_chance = [(first, line) for first, line in zip(firsts, lines[1:], strict=True) if first.lift > 1]
    assert above_chance
    for first, line in above_chance:
        assert f"{first.other} {100 * first.share:.0f} % (lift {first.lift:.1f})" in line


def test_a_class_that_is_taken_for_another_no_more_than_by_chance_is_not(world: World) -> None:
    confusion = world.evaluation.confusion
    like_chance = tuple(
        replace(item, top=tuple(replace(pair, lift=1.0) for pair in item.top)) for item in confusion.classes
    )
    lines = worst_classes(replace(world.evaluation, confusion=replace(confusion, classes=like_chance)))

    assert all("nearest: pet#" in line for line in lines[1:])


def test_without_confusion_the_nearest_class_is_named(world: World) -> None:
    lines = worst_classes(replace(world.evaluation, confusion=None))

    assert all("nearest: pet#" in line for line in lines[1:])
    assert worst_classes(make_world(None, ["a"] * 5).evaluation) == []


def test_hostile_class_names_stay_on_their_line() -> None:
    lines = worst_classes(make_world(None, ["a\x1b[31m\n"] * 5 + ["b" * 300] * 5).evaluation)

    assert len(lines) == 3
    assert not any(character in line for line in lines for character in "\x1b\n")
    assert max(map(len, lines)) < 140


def test_what_to_do_next_opens_the_atlas_only_if_it_was_written(world: World, tmp_path: Path) -> None:
    files = write_report(world.evaluation, world.source, tmp_path / "my report")
    bare = write_report(replace(world.evaluation, geometry=None, clusters=None), world.source, tmp_path / "bare")

    shown = next_commands(world.evaluation, files, "s", None)
    assert shown[0] == (f"embedding-atlas '{files.atlas}' --x projection_x --y projection_y --neighbors neighbors")
    assert shown[1].startswith(f"bignet report '{files.json}' --check 'map@r.macro>=0.")
    assert not any("embedding-atlas" in line for line in next_commands(world.evaluation, bare, "s", None))
    assert "beside it report.json and 8 tables" in written(files)
    assert "beside it report.json and 4 tables" in written(bare)


def test_without_labels_the_next_step_is_to_give_some(tmp_path: Path) -> None:
    world = make_world(None, [None] * 6)
    files = write_report(world.evaluation, world.source, tmp_path)

    assert next_commands(world.evaluation, files, "s", None) == [f"bignet report s -o {tmp_path} --labels LABELS.csv"]
    (named,) = next_commands(world.evaluation, files, "s", "a.max")
    assert named == f"bignet report s -e a.max -o {tmp_path} --labels LABELS.csv"


def test_without_images_the_next_step_is_to_look_at_the_rejected(tmp_path: Path) -> None:
    world = make_world(None, [])
    files = write_report(world.evaluation, world.source, tmp_path)

    assert next_commands(world.evaluation, files, "my store", None) == ["bignet info 'my store' --rejected"]


@pytest.mark.parametrize(
    ("lo", "chance", "bound"),
    [(0.004, None, None), (0.31, 0.32, None), (0.319, 0.31, None), (0.5678, 0.3, "0.56"), (0.0, 0.0, None)],
)
def test_a_check_is_suggested_only_if_chance_would_fail_it_and_the_report_holds_it(
    world: World, tmp_path: Path, lo: float, chance: float | None, bound: str | None
) -> None:
    files = replace(write_report(world.evaluation, world.source, tmp_path), atlas=None)
    head = replace(world.evaluation.metrics[0], value=lo, lo=lo, hi=1.0, chance=chance)

    found = next_commands(replace(world.evaluation, metrics=(head,)), files, "s", None)

    assert found == ([f"bignet report {files.json} --check 'map@r.macro>={bound}'"] if bound else [])


def test_checks_show_condition_value_and_verdict() -> None:
    lines = checked(
        [
            Outcome(Condition("map@r", ">=", 0.6), 0.25, passed=False, reason=None),
            Outcome(Condition("p@1", "<", 1.0), 0.5, passed=True, reason=None),
            Outcome(Condition("leak_rate", "<=", 0.01), None, passed=False, reason="no split\n"),
        ]
    )

    assert lines[1:] == [
        "map@r >= 0.6            0.25  fails",
        "p@1 < 1                  0.5  holds",
        r"leak_rate <= 0.01  undefined  fails: no split\n",
    ]


def test_a_comparison_says_how_it_was_made() -> None:
    before, now = (Figure("map@r.macro", value, value - 0.01, value + 0.01, None) for value in (0.5, 0.52))

    paired = compared(Comparison("map@r.macro", before, now, Difference(0.02, 0.015, 0.025, 1200), None))
    apart = compared(Comparison("map@r.macro", before, now, None, "the labels differ"))

    assert paired == (
        "baseline: map@r.macro 0.500 before, 0.520 now: +0.0200 "
        "(interval 0.0150 to 0.0250, paired over 1,200 queries): better"
    )
    assert apart.endswith("not paired: the labels differ: no difference that the interval shows")


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0.5, "0.500"), (-0.0421, "-0.042"), (37.96, "37.96"), (123456.0, "123,456")]
)
def test_numbers_have_at_most_four_digits_after_what_matters(value: float | None, text: str) -> None:
    assert number(value) == text


def test_the_time_names_the_three_slowest_stages() -> None:
    assert time_line({"a": 1.0, "b": 3.0, "c": 2.0, "d": 0.5}, 7.0) == "7.0 s · b 3.0 s, c 2.0 s, a 1.0 s"
