import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import binomtest

from tests.reporting.browser import CLIPBOARD, CONTRAST, opened
from tests.reporting.factory import PROVENANCE, make_world, vectors_of

SHOWN = ".strip:not([hidden])"


def ids_on_page(page):
    return page.evaluate(
        """() => { const data = JSON.parse(document.querySelector('#data').textContent);
        return Object.fromEntries([...document.querySelectorAll('.strip')].map(strip => [
          data.items[strip.dataset.query].id,
          [...strip.querySelectorAll('.tile:not(.query)')].map(tile => [
            data.items[tile.dataset.row].id, tile.querySelector('.score').textContent,
            ['same','parent','different','unlabelled'].find(name => tile.classList.contains(name))])])) }"""
    )


def test_the_page_opens_without_errors_or_requests(browser, animals):
    with opened(browser, animals[1].html) as (page, watch):
        page.wait_for_selector(SHOWN)
        page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
        page.wait_for_timeout(100)
        watch.assert_quiet()
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280
        assert page.locator("h1").inner_text().startswith("Mixed: of 100 nearest neighbours, ")
        assert page.locator(".hundred rect").count() == 100


def test_strips_stand_in_the_order_of_the_table(browser, animals):
    _world, files = animals
    expected = {}
    for line in pq.read_table(files.neighbours).to_pylist():
        text = f"{line['sim']:.3f}".replace("-", "\u2212")
        expected.setdefault(str(line["id"]), []).append([str(line["nn_id"]), text, line["relation"]])
    with opened(browser, files.html) as (page, _):
        shown = ids_on_page(page)
    assert len(shown) == 60
    for query, tiles in shown.items():
        assert tiles[:10] == expected[query]
        assert len(tiles) == 11


def test_filters_choose_order_and_stay_in_the_address(browser, animals):
    with opened(browser, animals[1].html) as (page, watch):
        page.click("[data-show=random]")
        assert "show=random" in page.url
        first = page.locator(SHOWN).first.get_attribute("data-query")
        page.click("[data-show=worst]")
        scores = page.locator(f"{SHOWN} .query .score").all_inner_texts()
        assert scores == sorted(scores)
        page.go_back()
        assert page.locator(SHOWN).first.get_attribute("data-query") == first
        page.select_option("#by-class", "wild#fox")
        labels = page.eval_on_selector_all(SHOWN, "all => all.map(strip => strip.dataset.label)")
        assert set(labels) == {"wild#fox"}
        page.select_option("#sort-by", "best")
        scores = page.locator(f"{SHOWN} .query .score").all_inner_texts()
        assert scores == sorted(scores, reverse=True)
        page.reload()
        assert page.locator("#by-class").input_value() == "wild#fox"
        assert page.locator("#sort-by").input_value() == "best"
        watch.assert_quiet()


def test_hubs_stand_in_the_order_of_their_lists(browser, tmp_path, write):
    points = vectors_of("ab" * 30, spread=2.0)
    points[:3] = points.mean(axis=0) + 0.05 * points[:3]
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    world = make_world(tmp_path / "images", "ab" * 30, vectors=points, families=True)
    counts = world.evaluation.geometry.hubness.counts
    with opened(browser, write(world).html, fragment="#neighbours?show=hubs") as (page, _):
        lists = [int(text.split()[1]) for text in page.locator(f"{SHOWN} .lists").all_text_contents()]
    assert lists == sorted(counts[counts >= 20].tolist(), reverse=True)
    assert len(lists) >= 3


def test_more_strips_appear_on_request(browser, animals):
    with opened(browser, animals[1].html) as (page, _):
        before = page.locator(SHOWN).count()
        page.click("#more")
        page.wait_for_function("([css, before]) => document.querySelectorAll(css).length > before", arg=[SHOWN, before])


def test_tables_sort_and_copy_as_csv(browser, animals):
    with opened(browser, animals[1].html) as (page, watch):
        page.click("#separation th[data-key=map_r] button")
        values = page.eval_on_selector_all("#separation tbody tr", "all => all.map(row => row.dataset.map_r)")
        known = [float(value) for value in values if value]
        assert known == sorted(known, reverse=True)
        assert values[len(known) :] == [""] * (len(values) - len(known))
        page.evaluate(CLIPBOARD)
        page.click("[data-csv=scores]")
        page.wait_for_function("window.copied")
        lines = page.evaluate("window.copied").splitlines()
        assert lines[0] == "metric,value,lo,hi,cluster_lo,cluster_hi,chance,n,estimator"
        assert lines[1].startswith("map@r.macro,0.")
        assert len(lines) == page.locator("#scores tbody tr:not(.family)").count() + 1
        page.click("#trust [data-copy]")
        page.wait_for_function("window.copied.startsWith('bignet info photos.bignet')")
        watch.assert_quiet()


def test_plain_tables_sort_by_what_they_show(browser, animals):
    with opened(browser, animals[1].html) as (page, _):
        page.click("#files th:has-text('Count') button")
        counts = [int(text) for text in page.locator("#files td:nth-of-type(1)").all_inner_texts()]
        assert counts == sorted(counts, reverse=True)
        page.evaluate(CLIPBOARD)
        page.click("[data-csv=files]")
        page.wait_for_function("window.copied")
        assert page.evaluate("window.copied").splitlines()[0] == "Files,Count,Share,What it means here"


def test_the_scorecard_groups_folds_sorts_inside_families_and_filters(browser, animals):
    with opened(browser, animals[1].html) as (page, _):
        rows = page.locator("#scores tbody tr:not(.family) >> visible=true")
        before = rows.count()
        page.click("#scores .family button >> nth=3")
        assert rows.count() > before
        page.click("#scores th[data-key=value] button")
        for family in page.locator("#scores tbody").all():
            values = family.locator("tr:not(.family)").evaluate_all("all => all.map(row => Number(row.dataset.value))")
            assert values == sorted(values, reverse=True)
        page.fill("[data-filter=scores]", "purity")
        assert {row.get_attribute("data-metric") for row in rows.all()} == {"neighbour_purity@10", "purity"}
        assert page.locator("#scores .family >> visible=true").count() == 2
        page.evaluate(CLIPBOARD)
        page.click("[data-csv=scores]")
        page.wait_for_function("window.copied")
        assert len(page.evaluate("window.copied").splitlines()) == 3
        page.fill("[data-filter=scores]", "no such metric")
        assert rows.count() == 0
        assert page.locator(".fold-away summary").first.inner_text() == "1 not defined here, and why"


def test_formulas_show_on_focus(browser, animals):
    with opened(browser, animals[1].html) as (page, _):
        page.focus("#scores .term >> nth=0")
        assert page.locator("#formula-1-1").is_visible()


def test_the_keyboard_enlarges_moves_marks_and_closes(browser, animals):
    with opened(browser, animals[1].html) as (page, watch):
        page.focus(f"{SHOWN} [data-open] >> nth=1")
        page.keyboard.press("Enter")
        assert page.locator("#viewer-title").inner_text().startswith("Rank 1 similarity 0.")
        page.keyboard.press("ArrowRight")
        assert page.locator("#viewer-title").inner_text().startswith("Rank 2")
        size = page.eval_on_selector("#viewer-other .pic", "p => p.offsetWidth / p.offsetHeight")
        assert size == pytest.approx(80 / 60, rel=0.02)
        page.keyboard.press("1")
        assert page.locator("#viewer-judge [aria-pressed=true]").inner_text().endswith("Plausible")
        path = page.locator("#viewer-path").inner_text()
        page.keyboard.press("ArrowDown")
        assert page.locator("#viewer-path").inner_text() != path or page.locator("#viewer").is_visible()
        page.keyboard.press("Escape")
        assert not page.locator("#viewer").is_visible()
        assert page.evaluate("document.activeElement.dataset.open") is not None
        watch.assert_quiet()


def mark(page, tile, name):
    page.click(f"{SHOWN} .tile:not(.query):not(.same) [data-open] >> nth={tile}")
    page.click(f"#viewer-judge [data-mark='{name}']")
    page.keyboard.press("Escape")


def test_marks_survive_a_reload_and_can_be_exported_and_cleared(browser, animals):
    world, files = animals
    with opened(browser, files.html, accept_downloads=True) as (page, watch):
        assert page.locator("#human").is_hidden()
        for tile, name in enumerate(["implausible", "plausible", "plausible", "wrong label"]):
            mark(page, tile, name)
        page.reload()
        assert page.locator("#marks-count").inner_text() == "2 plausible, 1 implausible, 1 wrong label"
        assert page.locator(".tile[data-mark=implausible]").count() >= 1
        wilson = binomtest(2, 3).proportion_ci(method="wilson")
        text = page.locator("#human").inner_text().replace("\u00a0", " ")
        assert text.startswith("67 % of 3 wrong neighbours you judged would do")
        assert f"({wilson.low:.0%} to {wilson.high:.0%}, ".replace("%", " %") in text
        with page.expect_download() as waiting:
            page.click("#marks-export")
        record = json.loads(waiting.value.path().read_text())
        assert record["fingerprint"] == world.evaluation.gallery_fingerprint
        assert (record["store"], record["store_uuid"]) == (world.source.store_name, PROVENANCE["store_uuid"])
        assert PROVENANCE["store_uuid"] in page.evaluate("report.key")
        assert record["human_plausible"]["lo"] == pytest.approx(wilson.low, abs=1e-12)
        assert record["human_plausible"]["hi"] == pytest.approx(wilson.high, abs=1e-12)
        assert sorted(item["mark"] for item in record["marks"]) == [
            "implausible", "plausible", "plausible", "wrong label",
        ]  # fmt: skip
        assert {int(item["query"]["id"]) for item in record["marks"]} <= set(world.evaluation.ids.tolist())
        page.click("#marks-clear")
        assert page.locator("#marks-count").inner_text() == "No marks yet"
        assert page.locator("#human").is_hidden()
        assert watch.errors == []


def closest(evaluation, a, b):
    """Ids and similarities of the five closest pairs of two classes that stand in a list, by brute force."""
    found = {}
    for row, (others, near) in enumerate(zip(evaluation.graph.rows, evaluation.graph.similarity, strict=True)):
        for other, similarity in zip(others, near, strict=True):
            if sorted((evaluation.labels[row] or "", evaluation.labels[other] or "")) == sorted((a, b)):
                found[frozenset((row, int(other)))] = similarity
    ranked = sorted(found.items(), key=lambda item: -item[1])[:5]
    return [({str(evaluation.ids[row]) for row in pair}, similarity) for pair, similarity in ranked]


def test_a_cell_shows_the_closest_pairs_by_click_and_by_key(browser, animals):
    evaluation = animals[0].evaluation
    with opened(browser, animals[1].html) as (page, watch):
        names = page.eval_on_selector_all("#matrix tbody th", "all => all.map(head => head.title)")
        i, j = names.index("pet#cat"), names.index("farm#pig")
        page.click(f"#matrix tbody tr:nth-child({i + 1}) td:nth-of-type({j + 1})")
        expected = closest(evaluation, "pet#cat", "farm#pig")
        scores = [float(text) for text in page.locator("#pairs .score").all_inner_texts()]
        assert scores == [pytest.approx(similarity, abs=6e-4) for _, similarity in expected]
        assert page.locator("#pairs h3").inner_text() == "Closest pairs, pet#cat to farm#pig"
        page.click("#pairs button >> nth=1")
        shown = page.evaluate("[viewer.lines[viewer.at].q, viewer.lines[viewer.at].nn[0][0]].map(r => report.items[r])")
        assert {item["id"] for item in shown} == expected[1][0]
        assert [item["label"] for item in shown] == ["pet#cat", "farm#pig"]
        page.keyboard.press("1")
        page.keyboard.press("Escape")
        assert page.locator("#marks-count").inner_text() == "1 plausible"
        for key in ("ArrowRight" if j + 1 < len(names) else "ArrowLeft", "Enter"):
            page.locator("#matrix").press(key)  # focused each time: a viewer that closes hands the focus back later
        page.wait_for_function("!document.querySelector('#pairs h3').innerText.includes('farm#pig')")
        watch.assert_quiet()


def test_the_matrix_starts_at_the_narrowest_margin_and_reads_out_numbers(browser, animals):
    row = min((row for row in animals[0].evaluation.classes if row.margin is not None), key=lambda row: row.margin)
    with opened(browser, animals[1].html) as (page, _):
        assert f"{row.label} to {row.nearest_class}" in page.locator("#readout").inner_text()
        page.focus("#matrix")
        before = page.locator("#readout").inner_text()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        assert page.locator("#readout").inner_text() != before


def test_everything_is_there_without_scripts(browser, animals):
    with opened(browser, animals[1].html, java_script_enabled=False) as (page, _):
        assert page.locator(".strip >> visible=true").count() == 60
        assert page.locator("#scores tbody tr:not(.family) >> visible=true").count() > 30
        assert page.locator("#separation tbody tr >> visible=true").count() == 8
        assert page.locator(".js >> visible=true").count() == 0


def test_the_page_prints_without_controls_and_with_everything_unfolded(browser, animals):
    with opened(browser, animals[1].html, viewport={"width": 794, "height": 1123}) as (page, watch):
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.emulate_media(media="print")
        assert page.locator("button.quiet >> visible=true, .rail >> visible=true, input >> visible=true").count() == 0
        assert page.locator("#rules tbody tr >> visible=true").count() > 30
        assert page.locator("#scores tbody tr:not(.family) >> visible=true").count() > 30
        assert page.evaluate("document.documentElement.scrollWidth") <= 794
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.locator("main details[open]").count() == 0
        watch.assert_quiet()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_both_schemes(browser, animals, scheme):
    with opened(browser, animals[1].html, color_scheme=scheme) as (page, _):
        low = page.evaluate(CONTRAST)
        assert low == []
