"""What the page says about where labels, groups and parts come from, and about the files beside it."""

from dataclasses import replace

from bignet.evaluate.result import Metric
from bignet.reporting.facts import Facts
from bignet.reporting.sections import methods, trust
from bignet.reporting.source import GivenLabels
from tests.reporting.browser import opened
from tests.reporting.factory import make_world

GIVEN = GivenLabels(
    file="labels.csv",
    groups=("v1", "v1", "v2", None) * 4,
    split=("train", "train", None, "test") * 4,
    not_in_file=(1007,),
    not_in_store=("a.jpg", "<b>.jpg", "c.jpg", "d.jpg"),
)


def test_a_label_file_is_accounted_for_on_both_sides():
    world = make_world(None, ["a", "b"] * 8)
    facts = Facts(world.evaluation, replace(world.source, labels=GIVEN))
    assert trust.joined(facts) == [
        "Labels come from labels.csv.",
        "1 image is not in that file.",
        "4 lines of that file name nothing in the store: a.jpg, <b>.jpg, c.jpg and 1 more.",
        "2 groups of 12 images together: images of one group are never each other's neighbours.",
        "Parts: no part 4, test 4, train 8.",
    ]
    assert trust.joined(Facts(world.evaluation, world.source)) == []


def test_the_score_with_and_without_groups_stands_side_by_side(browser, write):
    world = make_world(None, ["a", "b"] * 80, spread=0.9)
    headline = world.evaluation.metric("map@r.macro")
    together = replace(headline, id="map@r.macro.nogroups", value=headline.value + 0.07)
    evaluation = replace(world.evaluation, metrics=(*world.evaluation.metrics, together))
    source = replace(world.source, labels=replace(GIVEN, groups=("v1",) * 160, split=None))
    with opened(browser, write(replace(world, evaluation=evaluation, source=source)).html) as (page, watch):
        lines = page.locator("#inflation tbody tr").all_inner_texts()
        assert [line.split("\t")[:2] for line in lines] == [
            ["groups kept apart", f"{headline.value:.3f}"], ["groups ignored", f"{headline.value + 0.07:.3f}"],
        ]  # fmt: skip
        assert page.locator(".flags li").first.inner_text().startswith("Scores would be inflated by 0.070")
        assert "4 lines of that file" in page.locator("#trust").inner_text()
        watch.assert_quiet()


def test_the_files_named_are_those_that_are_written(write):
    world = make_world(None, ["a", "b"] * 8, families=True)
    for evaluation in (world.evaluation, replace(world.evaluation, geometry=None)):
        files = write(replace(world, evaluation=evaluation))
        named = {name for name, _ in methods.files(Facts(evaluation, world.source))}
        assert named == {path.name for path in files.folder.iterdir()} - {"report.html"}


def test_undefined_metrics_keep_their_reasons(browser, write):
    world = make_world(None, ["a", "b"] * 8)
    gone = Metric("alpha_req", None, reason="needs more than 100 dimensions")
    evaluation = replace(world.evaluation, metrics=(*world.evaluation.metrics, gone))
    with opened(browser, write(replace(world, evaluation=evaluation)).html) as (page, _):
        page.click("#scorecard summary")
        assert "needs more than 100 dimensions" in page.locator("#scorecard .reasons").inner_text()
        assert page.locator("#scores tr[data-metric=alpha_req]").count() == 0
