from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from bignet.errors import UsageError
from bignet.reporting.baseline import compare
from bignet.reporting.past import Figure, PastReport, QueryScores, figures_of, read_report
from bignet.reporting.write import write_report
from tests.reporting.factory import make_world

LABELS = ("a", "b", "c") * 20


METHOD = {"mode": "loo", "unlabelled": "drop", "groups": "none"}


def past(apr, value, *, name="old", fingerprint="f", labels=LABELS, ends=0.02):
    scores = QueryScores(np.arange(len(apr)), tuple(labels), np.asarray(apr, dtype=np.float64))
    figure = Figure("map@r.macro", value, value - ends, value + ends, None)
    return PastReport(name, fingerprint, METHOD, (figure,), scores)


@pytest.fixture
def apr():
    return np.random.default_rng(0).random(60)


@pytest.mark.parametrize(("gain", "verdict"), [(0.05, "better"), (-0.05, "worse")])
def test_a_change_of_every_query_is_certain_though_the_intervals_overlap(apr, gain, verdict):
    found = compare(past(apr + gain, 0.5 + gain, ends=0.1), past(apr, 0.5, ends=0.1))

    assert found.unpaired is None
    assert found.change.value == pytest.approx(gain)
    assert found.change.n_queries == 60
    assert found.verdict == verdict


def test_noise_is_no_difference(apr):
    noisy = apr + np.random.default_rng(5).normal(scale=0.1, size=60)

    assert compare(past(noisy, 0.51), past(apr, 0.5)).verdict == "no difference that the interval shows"


def test_rows_are_paired_by_id_whatever_their_order(tmp_path):
    world = make_world(None, LABELS)
    files = write_report(world.evaluation, world.source, tmp_path)
    before = read_report(files.json)
    table = pq.read_table(files.per_query)
    pq.write_table(table.take(np.random.default_rng(1).permutation(60)), files.per_query)

    again = read_report(files.json)

    assert again.scores.ids.tolist() == world.evaluation.ids.tolist()
    assert again.scores.labels == before.scores.labels == LABELS
    np.testing.assert_array_equal(again.scores.apr, world.evaluation.per_query.apr)
    assert compare(again, before).change.value == 0


def test_reports_of_different_images_are_not_compared(apr):
    found = compare(past(apr, 0.9), replace(past(apr, 0.5), fingerprint="g"))
    assert found.change is None
    assert found.verdict.startswith("not comparable: other images")


def test_what_cannot_be_paired_is_compared_by_its_intervals_and_says_why(apr):
    before = replace(past(apr, 0.5), scores=None)

    found = compare(past(apr, 0.56), before)

    assert (found.change, found.unpaired) == (None, "the baseline has no per_query.parquet beside it")
    assert found.verdict == "better"
    assert compare(past(apr, 0.53), before).verdict == "no difference that the interval shows"


def test_other_labels_or_other_queries_are_not_paired(apr):
    fewer = np.where(np.arange(60) == 3, np.nan, apr)

    assert compare(past(apr, 0.5), past(apr, 0.5, labels=LABELS[::-1])).unpaired == "the labels differ"
    assert compare(past(apr, 0.5), past(fewer, 0.5)).unpaired == "different images were asked"
    nothing = past(np.full(60, np.nan), 0.5)
    assert compare(nothing, nothing).unpaired == "no query was scored"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"mode": "folds"}, "mode loo before, folds now"),
        ({"unlabelled": "distractor"}, "unlabelled drop before, distractor now"),
        ({"groups": "kept apart"}, "groups none before, kept apart now"),
    ],
)
def test_what_was_measured_in_another_way_is_not_compared(apr, change, says):
    now = replace(past(apr + 0.5, 0.9), method=METHOD | change)

    found = compare(now, past(apr, 0.4))

    assert found.change is None
    assert found.verdict == f"not comparable: {says}"


def test_a_report_without_a_headline_is_no_baseline(apr):
    bare = replace(past(apr, 0.5), figures=(Figure("map@r.macro", None, None, None, "no labels"),))

    with pytest.raises(UsageError, match=r"report of old has no map@r\.macro"):
        compare(past(apr, 0.5), bare)


def test_a_report_is_read_back_as_it_was_written(tmp_path):
    world = make_world(None, LABELS)
    files = write_report(world.evaluation, world.source, tmp_path)

    by_file, by_folder = read_report(files.json), read_report(tmp_path)

    assert by_file.figures == by_folder.figures == figures_of(world.evaluation.metrics)
    assert by_file.name == "photos.bignet layer4.gap"
    assert by_file.fingerprint == world.evaluation.gallery_fingerprint
    assert by_file.method == {"mode": None, "unlabelled": None, "groups": "none"}
    files.per_query.unlink()
    assert read_report(files.json).scores is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"kind": "bignet.marks"}', '{"kind": "bignet.report", "metrics": []}']
)
def test_what_is_no_report_is_refused(tmp_path, text):
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(UsageError, match=r"report\.json"):
        read_report(tmp_path)


def test_a_damaged_table_beside_a_report_is_named(tmp_path):
    world = make_world(None, LABELS)
    files = write_report(world.evaluation, world.source, tmp_path)
    files.per_query.write_bytes(b"PAR1")

    with pytest.raises(UsageError, match=r"per_query\.parquet' cannot be read"):
        read_report(files.json)


def test_the_change_is_for_other_images_where_both_reports_say_what_each_image_does(apr):
    rng = np.random.default_rng(3)
    before, now = past(apr, 0.5), past(apr + rng.normal(0.02, 0.05, size=60), 0.52)
    alone = compare(now, before)
    wide = [replace(one, scores=replace(one.scores, influences=rng.normal(0, 0.01, size=60))) for one in (now, before)]

    found = compare(*wide)

    assert "queries only" in alone.note
    assert found.note is None
    assert found.change.value == pytest.approx(alone.change.value)
    assert found.change.hi - found.change.lo > 2 * (alone.change.hi - alone.change.lo)
    assert "queries only" in compare(wide[0], before).note


def test_what_each_image_does_is_read_back(tmp_path):
    world = make_world(None, LABELS)
    influences = np.random.default_rng(2).normal(size=60)
    evaluation = replace(world.evaluation, influences={"map@r.macro": influences})
    files = write_report(evaluation, world.source, tmp_path)

    np.testing.assert_array_equal(read_report(files.json).scores.influences, influences)


def test_where_a_sample_was_asked_the_change_is_of_the_queries_asked(apr):
    before, now = (
        replace(past(apr, value), scores=replace(past(apr, value).scores, influences=apr / 60)) for value in (0.5, 0.52)
    )
    sampled = [
        replace(one, figures=(replace(one.figures[0], estimator="sampled, 60 of 90 queries by class, full gallery"),))
        for one in (now, before)
    ]

    assert compare(now, before).note is None
    assert "of the queries asked" in compare(*sampled).note
    assert "of the queries asked" in compare(now, sampled[1]).note
