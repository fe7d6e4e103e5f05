"""Confusion, clusters, geometry and the map on the page, driven in a browser."""

import csv
import io
import json

import numpy as np
import pytest

from bignet.reporting.relation import parent_of
from bignet.reporting.write import write_report
from tests.reporting.browser import opened
from tests.reporting.factory import make_world

CARD = ".clustering:not([hidden]) .card:not(.over)"


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """96 pictures in 6 classes under 3 parents and 4 unlabelled ones, everything measured: (world, files)."""
    folder = tmp_path_factory.mktemp("zoo")
    kinds = ("pet#cat", "pet#dog", "farm#cow", "farm#pig", "wild#fox", "wild#owl")
    labels = [*(kind for kind in kinds for _ in range(16)), None, None, None, None]
    world = make_world(folder / "images", labels, spread=1.4, families=True)
    return world, write_report(world.evaluation, world.source, folder / "report")


def values(page, selector, key):
    """A number that rows or cards carry, in the order shown; "" where there is none."""
    return page.eval_on_selector_all(selector, f"all => all.map(one => one.dataset.{key})")


def exported(page, click, kind="csv"):
    """What a button downloads, read as rows or as a record."""
    with page.expect_download() as waiting:
        page.click(click)
    text = waiting.value.path().read_text()
    return list(csv.DictReader(io.StringIO(text))) if kind == "csv" else json.loads(text)


def at_map(page):
    """The map, drawn and at rest."""
    page.locator("#map-canvas").scroll_into_view_if_needed()
    page.wait_for_selector("#map-canvas[data-layout]")
    page.locator("#map-canvas").scroll_into_view_if_needed()
    page.wait_for_timeout(100)


def test_a_cell_of_the_matrix_reads_out_its_share_and_leads_to_the_strips(browser, zoo):
    found = zoo[0].evaluation.confusion
    with opened(browser, zoo[1].html) as (page, watch):
        page.focus("#shares")
        page.keyboard.press("ArrowRight")
        i, j = found.labels[:2]
        share = found.counts[0, 1] / found.counts[0].sum()
        readout = page.locator("#shares-readout").inner_text()
        assert f"of the places of {i} are held by {j}" in readout
        assert float(readout.split()[0]) == pytest.approx(100 * share, rel=0.01)
        page.hover("#shares tbody tr:nth-child(3) td:nth-of-type(3)")
        assert f"of the places of {found.labels[2]} are its own" in page.locator("#shares-readout").inner_text()
        page.focus("#shares")
        page.keyboard.press("Enter")
        assert page.locator("#by-class").input_value() == found.labels[2]
        assert "class=" in page.url
        watch.assert_quiet()


def test_pairs_stand_by_lift_and_sort_filter_and_copy(browser, zoo):
    found = [pair for pair in zoo[0].evaluation.confusion.pairs if pair.lift >= 1.2]
    with opened(browser, zoo[1].html) as (page, watch):
        rows = "#confused tbody tr"
        assert [float(v) for v in values(page, rows, "lift")] == pytest.approx([p.lift for p in found], rel=1e-3)
        assert (values(page, rows, "class")[0], values(page, rows, "other")[0]) == (found[0].label, found[0].other)
        page.click("#confused th[data-key=share] button")
        shares = [float(v) for v in values(page, rows, "share")]
        assert shares == sorted(shares, reverse=True)
        purity = [float(v) for v in values(page, "#purity tbody tr", "purity")]
        assert purity == sorted(purity)
        watch.assert_quiet()


def test_levels_and_severity_say_what_was_measured(browser, zoo):
    hierarchy = zoo[0].evaluation.hierarchy
    with opened(browser, zoo[1].html) as (page, _):
        levels = values(page, "#levels tbody tr", "p1")
        assert [float(v) for v in levels] == pytest.approx([level.p1.value for level in hierarchy.levels], rel=1e-3)
        assert page.locator("#levels .whisker .chance").count() == 4
        counts = [int(v) for v in values(page, "#severity tbody tr", "n")]
        assert counts == list(hierarchy.severity[1:])
        assert "stay inside the parent class" in page.locator("#confusion").inner_text()


def test_figures_read_out_exact_numbers_to_mouse_and_keys(browser, zoo):
    curve = zoo[0].evaluation.clusters.curve
    with opened(browser, zoo[1].html) as (page, watch):
        box = page.locator("#k-curve .tip-box")
        page.keyboard.press("Tab")
        page.focus("#k-curve")
        page.keyboard.press("End")
        assert f"k = {curve[-1].k}\nstability {curve[-1].stability:.3f}" in box.inner_text()
        page.keyboard.press("Home")
        assert box.inner_text().startswith(f"k = {curve[0].k}\n")
        for figure in ("spectrum", "occurrence", "lid"):
            page.hover(f"#{figure} .plot")
            assert page.locator(f"#{figure} .tip-box").inner_text()
        page.mouse.move(0, 0)
        assert not page.locator("#lid .tip-box").is_visible()
        watch.assert_quiet()


def test_k_and_order_of_the_cards_stay_in_the_address(browser, zoo):
    clusters = zoo[0].evaluation.clusters
    other = max(k for k in clusters.clusterings if k != clusters.suggested)
    with opened(browser, zoo[1].html) as (page, watch):
        assert page.locator(CARD).count() == len(clusters.chosen.clusters)
        page.click(f"button[data-k='{other}']")
        page.click("[data-order=purity]")
        assert f"clusters?k={other}&order=purity" in page.url
        purity = [float(v) for v in values(page, CARD, "purity") if v]
        assert purity == sorted(purity)
        page.reload()
        assert page.locator("button[data-k][aria-pressed=true]").inner_text() == str(other)
        assert [float(v) for v in values(page, CARD, "purity") if v] == purity
        page.click("[data-order=unlabelled]")
        unlabelled = [float(v) for v in values(page, CARD, "unlabelled")]
        assert unlabelled == sorted(unlabelled, reverse=True)
        page.click("[data-order=cohesion]")
        page.go_back()
        page.go_back()
        assert page.locator("[data-order][aria-pressed=true]").inner_text() == "Most mixed"
        watch.assert_quiet()


def test_many_cards_come_in_pages(browser, zoo):
    cards = zoo[0].evaluation.clusters.clusterings[16].clusters
    assert len(cards) > 12
    with opened(browser, zoo[1].html, fragment="#clusters?k=16") as (page, _):
        assert page.locator(CARD).count() == 12
        page.click(".clustering:not([hidden]) .more-cards")
        assert page.locator(CARD).count() == len(cards)


def test_members_of_a_cluster_are_exported_whole(browser, zoo):
    world, files = zoo
    chosen = world.evaluation.clusters.chosen
    members = np.flatnonzero(chosen.assignment == chosen.clusters[0].number)
    with opened(browser, files.html, accept_downloads=True) as (page, watch):
        rows = exported(page, f"{CARD} [data-members=csv] >> nth=0")
        assert [int(row["id"]) for row in rows] == world.evaluation.ids[members].tolist()
        assert [row["label"] or None for row in rows] == [world.evaluation.labels[i] for i in members]
        assert [row["path"].encode() for row in rows] == [world.source.paths[i] for i in members]
        record = exported(page, f"{CARD} [data-members=json] >> nth=0", "json")
        assert record["fingerprint"] == world.evaluation.gallery_fingerprint
        assert [int(image["id"]) for image in record["images"]] == world.evaluation.ids[members].tolist()
        page.click(".clustering:not([hidden]) summary:has-text('Table of all')")
        everyone = exported(page, f"[data-all-members='{chosen.k}']")
        assert [int(row["cluster"]) - 1 for row in everyone] == chosen.assignment.tolist()
        assert watch.errors == []


def test_pictures_of_a_card_enlarge_and_the_keys_go_on(browser, zoo):
    with opened(browser, zoo[1].html) as (page, watch):
        medoid = page.locator(f"{CARD} .medoid").first
        medoid.focus()
        page.keyboard.press("Enter")
        assert "medoid" in page.locator("#lightbox-note").inner_text()
        first = page.locator("#lightbox-path").inner_text()
        page.keyboard.press("ArrowRight")
        assert "near the centre" in page.locator("#lightbox-note").inner_text()
        assert page.locator("#lightbox-path").inner_text() != first
        ratio = page.eval_on_selector("#lightbox-stage .pic", "p => p.offsetWidth / p.offsetHeight")
        assert ratio == pytest.approx(80 / 60, rel=0.02)
        page.keyboard.press("Escape")
        assert not page.locator("#lightbox").is_visible()
        assert page.evaluate("document.activeElement.classList.contains('medoid')")
        watch.assert_quiet()


def test_hubs_stand_in_the_order_of_their_lists(browser, zoo):
    world, files = zoo
    hubness = world.evaluation.geometry.hubness
    with opened(browser, files.html) as (page, _):
        lists = [int(v) for v in values(page, "#hubs .hub", "lists")]
        assert lists == sorted(hubness.counts[hubness.counts > hubness.k].tolist(), reverse=True)[:12]
        ids = [int(v) for v in values(page, "#hubs .hub", "id")]
        place = {int(row_id): i for i, row_id in enumerate(world.evaluation.ids)}
        assert [int(hubness.counts[place[row_id]]) for row_id in ids] == lists


def test_every_number_of_the_geometry_is_in_its_table(browser, zoo):
    metrics = zoo[0].evaluation.geometry.metrics
    with opened(browser, zoo[1].html) as (page, _):
        assert values(page, "#geometry-table tbody tr", "metric") == [metric.id for metric in metrics]
        missing = [metric for metric in metrics if metric.value is None]
        assert page.locator("#geometry-table").text_content().count("undefined: too few images") == len(missing) > 0


def framed(projection, box):
    """Rows whose place on the map, in 16-bit steps of one scale, lies in a frame."""
    low, high = projection.xy.min(axis=0), projection.xy.max(axis=0)
    xy = np.round((projection.xy - low) / (high - low).max() * 65535)
    x0, y0, x1, y1 = box
    inside = (xy[:, 0] >= x0) & (xy[:, 0] <= x1) & (xy[:, 1] >= y0) & (xy[:, 1] <= y1)
    return set(projection.rows[inside].tolist())


def box_in(url):
    return [int(part) for part in url.partition("box=")[2].split("&")[0].split(".")]


def test_a_frame_drawn_on_the_map_lists_and_exports_its_images(browser, zoo):
    world, files = zoo
    with opened(browser, files.html, accept_downloads=True) as (page, watch):
        at_map(page)
        wide, high = page.evaluate("[atlas.wide, atlas.high]")
        page.hover("#map-canvas", position={"x": 0.2 * wide, "y": 0.2 * high})
        room = page.locator("#map-canvas").bounding_box()
        page.mouse.down()
        page.mouse.move(room["x"] + 0.6 * room["width"], room["y"] + 0.7 * room["height"], steps=4)
        page.mouse.up()
        page.wait_for_function("location.hash.includes('box=')")
        wanted = framed(world.evaluation.geometry.projections[0], box_in(page.url))
        assert 3 < len(wanted) < 100
        ids = {int(world.evaluation.ids[row]) for row in wanted}
        assert page.locator("#map-count").inner_text() == f"{len(wanted)} images chosen"
        assert {int(row["id"]) for row in exported(page, "[data-chosen=csv]")} == ids
        record = exported(page, "[data-chosen=json]", "json")
        assert {int(image["id"]) for image in record["images"]} == ids
        page.reload()
        at_map(page)
        assert page.locator("#map-count").inner_text() == f"{len(wanted)} images chosen"
        page.click("#map-clear")
        assert not page.locator("#map-chosen").is_visible()
        assert "box" not in page.url
        assert watch.errors == []


def test_the_map_is_reached_by_keyboard_alone(browser, zoo):
    world, files = zoo
    with opened(browser, files.html) as (page, watch):
        at_map(page)
        page.focus("#map-canvas")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowLeft")
        path = page.locator("#map-here span").last.inner_text()
        assert path.encode() in world.source.paths
        page.keyboard.press("Enter")
        assert page.locator("#lightbox-path").inner_text() == path
        page.keyboard.press("Escape")
        assert page.evaluate("document.activeElement.id") == "map-canvas"
        page.keyboard.press(" ")
        chosen = framed(world.evaluation.geometry.projections[0], box_in(page.url))
        assert len(chosen) >= 30
        assert page.locator("#map-list li").count() == min(48, len(chosen))
        page.keyboard.press("Escape")
        assert not page.locator("#map-chosen").is_visible()
        assert "Arrow keys move from image to image" in page.locator("#map-canvas").get_attribute("aria-label")
        watch.assert_quiet()


def test_pointing_at_the_map_shows_the_image(browser, zoo):
    world, files = zoo
    with opened(browser, files.html) as (page, _):
        at_map(page)
        row = int(world.evaluation.geometry.projections[0].rows[7])
        x, y = page.evaluate("[mapX(7), mapY(7)]")
        page.hover("#map-canvas", position={"x": x, "y": y})
        nearest = page.evaluate("atlas.rows[atlas.at]")
        assert nearest == row or np.hypot(*page.evaluate("[mapX(7) - mapX(atlas.at), mapY(7) - mapY(atlas.at)]")) < 2
        assert page.locator("#map-here strong").inner_text() == (world.evaluation.labels[nearest] or "no label")
        assert page.locator(f"#map-here .t{nearest}").count() == 1


def test_layout_drawing_and_coloured_classes_stay_in_the_address(browser, zoo):
    with opened(browser, zoo[1].html) as (page, watch):
        at_map(page)
        assert page.locator("#map-classes li").count() == 6
        page.click("button[data-layout=tsne]")
        assert "trustworthiness of 0.98" in page.locator("#map-reading").inner_text()
        page.click("#map-classes li:first-child button")
        page.click("[data-draw=pictures]")
        page.reload()
        at_map(page)
        assert page.locator("button[data-layout=tsne]").get_attribute("aria-pressed") == "true"
        assert page.locator("[data-draw=pictures]").get_attribute("aria-pressed") == "true"
        assert page.locator("#map-classes li").count() == 5
        assert parent_of(page.locator("#map-add option").last.inner_text())
        page.select_option("#map-add", index=1)
        assert page.locator("#map-classes li").count() == 6
        page.go_back()
        assert page.locator("#map-classes li").count() == 5
        watch.assert_quiet()


def test_state_of_one_section_outlives_changes_in_another(browser, zoo):
    with opened(browser, zoo[1].html) as (page, _):
        page.click("button[data-k='2']")
        page.click("[data-show=random]")
        page.click("#map-frame")
        page.reload()
        assert page.locator("button[data-k][aria-pressed=true]").inner_text() == "2"
        assert page.locator("[data-show=random]").get_attribute("aria-pressed") == "true"


def test_tables_cards_and_words_are_there_without_scripts(browser, zoo):
    clusterings = zoo[0].evaluation.clusters.clusterings.values()
    with opened(browser, zoo[1].html, java_script_enabled=False) as (page, _):
        assert page.locator(".card >> visible=true").count() == sum(len(one.clusters) for one in clusterings)
        assert page.locator("#confused tbody tr >> visible=true").count() > 0
        assert page.locator(".static-map >> visible=true").count() == 1
        assert page.locator("#spectrum polyline").count() == 1
        assert page.locator("main .js >> visible=true").count() == 0
