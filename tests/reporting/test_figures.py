"""Places, packing and choices behind the figures, lists and pictures of the page."""

import base64
from dataclasses import replace

import numpy as np
import pytest

from bignet.reporting.facts import Facts
from bignet.reporting.listing import listing, packed
from bignet.reporting.sections import clusters, confusion, geometry, hubs, spectrum
from bignet.reporting.sections import map as flat_map
from bignet.reporting.sections.charts import Axis, even_ticks, spaced
from bignet.reporting.sections.cluster_curve import curve
from bignet.reporting.sections.gallery import rows_with_pictures, spread_over
from bignet.reporting.settings import ReportSettings
from bignet.reporting.strips import choose_strips
from tests.reporting.factory import make_world

SETTINGS = ReportSettings()


@pytest.fixture(scope="module")
def world():
    return make_world(None, ["a", "b", "c", None] * 15, spread=2.5, families=True)


def facts_of(world, **changes):
    return Facts(replace(world.evaluation, **changes), world.source)


def unpack(text, kind):
    return np.frombuffer(base64.b64decode(text), kind)


def test_places_are_percent_of_an_axis_and_stay_on_it():
    assert [Axis(0, 4).place(v) for v in (-1, 0, 1, 4, 9)] == [0, 0, 25, 100, 100]
    assert [Axis(1, 100, log=True).place(v) for v in (0, 1, 10, 100)] == [0, 0, 50, 100]
    assert Axis(3, 3).place(3) == 50


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-0.2, 1), (0, 0.07), (3.1, 27), (0, 1234), (0, 0.5)])
def test_ticks_are_round_few_and_within(low, high):
    ticks = even_ticks(Axis(low, high))
    assert 2 <= len(ticks) <= 7
    assert ticks[0] >= low
    assert ticks[-1] <= high + 1e-9
    assert np.allclose(np.diff(ticks), np.diff(ticks)[0])


def test_names_at_the_end_of_curves_keep_apart():
    places = spaced([50, 50, 99, 98], 9)
    assert min(np.diff(sorted(places))) >= 9 - 1e-9
    assert max(places) <= 100


def test_listed_rows_keep_ids_labels_and_paths_together(world):
    rows = [5, 3, 40]
    few = replace(SETTINGS, listed_rows=10)
    made = listing(world.evaluation, world.source, rows, few)
    kept = unpack(made["rows"], "<u4")
    assert kept.tolist() == [3, 5, 40]
    assert unpack(made["ids"], "<i8").tolist() == world.evaluation.ids[[3, 5, 40]].tolist()
    names = [made["names"][code] if code < 65535 else None for code in unpack(made["labels"], "<u2")]
    assert names == [world.evaluation.labels[row] for row in kept]
    assert made["paths"] == [world.source.paths[row].decode() for row in kept]


def test_all_rows_are_listed_where_they_are_few_and_paths_only_within_their_budget(world):
    made = listing(world.evaluation, world.source, [1], SETTINGS)
    assert made["rows"] is None
    assert made["n"] == len(world.evaluation.ids)
    assert listing(world.evaluation, world.source, [1], replace(SETTINGS, listed_path_bytes=10))["paths"] is None


def test_large_ids_survive_packing():
    ids = np.array([2**62 + 1, 1, 2**53 + 1])
    assert unpack(packed(ids, "<i8"), "<i8").tolist() == ids.tolist()


def test_medoids_and_hubs_get_pictures_before_the_rest(world):
    evaluation = world.evaluation
    strips = choose_strips(evaluation, SETTINGS)
    rows = rows_with_pictures(evaluation, strips, [7], SETTINGS)
    medoids = [card.medoid for card in evaluation.clusters.chosen.clusters]
    assert rows[: len(set(medoids))] == list(dict.fromkeys(medoids))
    assert len(rows) == len(set(rows))
    hub = int(np.argmax(evaluation.geometry.hubness.counts))
    assert hub in rows[: len(medoids) + 1]


def test_pictures_of_the_map_are_spread_over_it_whatever_the_order_of_rows(world):
    projection = world.evaluation.geometry.projections[0]
    chosen = spread_over(projection, replace(SETTINGS, map_pictures=9))
    low, high = projection.xy.min(axis=0), projection.xy.max(axis=0)
    cells = np.minimum(2, ((projection.xy - low) / (high - low) * 3).astype(int)) @ [3, 1]
    assert sorted(cells[chosen]) == sorted(set(cells))
    assert chosen == spread_over(projection, replace(SETTINGS, map_pictures=9))
    assert set(chosen) <= set(projection.rows.tolist())


def test_the_map_keeps_both_axes_on_one_scale(world):
    projection = world.evaluation.geometry.projections[0]
    made = flat_map.data(facts_of(world))["maps"]["pca"]
    x, y = unpack(made["x"], "<u2").astype(float), unpack(made["y"], "<u2").astype(float)
    step = (projection.xy.max(axis=0) - projection.xy.min(axis=0)).max() / 65535
    assert np.allclose(np.column_stack([x, y]) * step, projection.xy - projection.xy.min(axis=0), atol=step)
    assert max(made["wide"], made["high"]) == 1


@pytest.mark.parametrize(("skew", "most", "says"), [
    (1.9, 0.01, "lopsided"), (0.4, 0.2, "a hub; try another layer"), (0.4, 0.01, "No hub crowds the lists"),
])  # fmt: skip
def test_the_geometry_names_the_first_thing_that_is_wrong(world, skew, most, says):
    found = world.evaluation.geometry
    n = 400
    counts = np.full(n, 10)
    counts[0] = int(most * n)
    metrics = tuple(replace(m, value=skew) if m.id == "hub_skew" else m for m in found.hubness.metrics)
    hubness = replace(found.hubness, rows=np.arange(n), counts=counts, metrics=metrics)
    assert says in geometry.answer(facts_of(world, geometry=replace(found, hubness=hubness)))


def test_dead_dimensions_come_before_hubs(world):
    found = world.evaluation.geometry
    dead = replace(found.spectrum, dead=(1, 4))
    answer = geometry.answer(facts_of(world, geometry=replace(found, spectrum=dead)))
    assert answer == "2 dimensions of 16 never vary: dead weight."


@pytest.mark.parametrize(("stability", "says"), [
    (0.9, "stays stable (stability 0.90"), (0.6, "stays fairly stable"), (0.3, "No split is stable"),
    (None, "clusters;"),
])  # fmt: skip
def test_a_split_is_called_as_stable_as_it_is(world, stability, says):
    found = world.evaluation.clusters
    points = tuple(replace(point, stability=stability) for point in found.curve)
    assert says in clusters.answer(facts_of(world, clusters=replace(found, curve=points)))


def test_curves_leave_out_what_is_undefined(world):
    found = world.evaluation.clusters
    points = tuple(replace(point, stability=None, stability_se=None, v_measure=None) for point in found.curve)
    chart = curve(replace(found, curve=points))
    assert [line.name for line in chart.lines] == ["silhouette"]
    assert "stability" not in chart.summary
    assert curve(replace(found, curve=points[:1])) is None


def test_bars_of_the_histograms_add_up(world):
    found = world.evaluation.geometry
    chart = hubs.chart(found.hubness)
    heights = np.array([bar.height for bar in chart.bars])
    shares = np.bincount(found.hubness.counts) / len(found.hubness.counts)
    assert np.allclose(heights[: len(shares)] / heights.max(), shares[: len(heights)] / shares.max(), atol=1e-4)
    assert len(spectrum.dimension_chart(found.dimension).bars) == 40


def test_pairs_next_to_chance_are_no_confusion(world):
    found = world.evaluation.confusion
    assert found.pairs
    plain = replace(found, pairs=tuple(replace(pair, lift=1.1) for pair in found.pairs))
    assert "no lift reaches 1.2" in confusion.answer(facts_of(world, confusion=plain))
    assert confusion.pairs(facts_of(world, confusion=plain), SETTINGS) == []


def test_a_wide_matrix_keeps_the_most_confused_classes():
    world = make_world(None, [f"c{i % 40:02d}" for i in range(160)], families=True, spread=1.2)
    made = confusion.matrix(facts_of(world), replace(SETTINGS, matrix_classes=6))
    first = world.evaluation.confusion.pairs[0]
    assert len(made.names) == 6
    assert {first.label, first.other} <= {name.full for name in made.names}
    assert made.n_all == 40
