import json

import pyarrow.parquet as pq
import pytest

from tests.reporting.browser import opened

SHOWN = ".strip:not([hidden])"
CLIPBOARD = """Object.defineProperty(navigator, 'clipboard', {value: {
  writeText: async text => { window.copied = text; }}})"""


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
        assert page.locator("h1").inner_text().startswith("Macro MAP@R is 0.")


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
        page.reload()
        assert page.locator("#by-class").input_value() == "wild#fox"
        watch.assert_quiet()


def test_more_strips_appear_on_request(browser, animals):
    with opened(browser, animals[1].html) as (page, _):
        before = page.locator(SHOWN).count()
        page.click("#more")
        assert page.locator(SHOWN).count() > before


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
        assert lines[0].startswith("metric,value,lo,hi,chance,n")
        assert lines[1].startswith("map@r.macro,0.")
        page.click("#trust [data-copy]")
        page.wait_for_function("window.copied.startsWith('bignet info photos.bignet')")
        watch.assert_quiet()


def test_formulas_show_on_focus(browser, animals):
    with opened(browser, animals[1].html) as (page, _):
        page.focus("#scores .term >> nth=0")
        assert page.locator("#formula-1").is_visible()


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


def test_marks_survive_a_reload_and_can_be_exported_and_cleared(browser, animals):
    world, files = animals
    with opened(browser, files.html, accept_downloads=True) as (page, watch):
        page.click(f"{SHOWN} [data-open] >> nth=3")
        page.click("#viewer-judge [data-mark=implausible]")
        page.keyboard.press("Escape")
        page.reload()
        assert page.locator("#marks-count").inner_text() == "1 implausible"
        assert page.locator(".tile[data-mark=implausible]").count() == 1
        with page.expect_download() as waiting:
            page.click("#marks-export")
        record = json.loads(waiting.value.path().read_text())
        assert record["fingerprint"] == world.evaluation.gallery_fingerprint
        [mark] = record["marks"]
        assert mark["mark"] == "implausible"
        assert int(mark["query"]["id"]) in world.evaluation.ids
        page.click("#marks-clear")
        assert page.locator("#marks-count").inner_text() == "No marks yet"
        assert watch.errors == []


def test_the_matrix_reads_out_numbers(browser, animals):
    with opened(browser, animals[1].html) as (page, _):
        page.focus("#matrix")
        assert "within pet#cat" in page.locator("#readout").inner_text()
        page.keyboard.press("ArrowRight")
        assert "pet#cat to pet#dog" in page.locator("#readout").inner_text()


def test_everything_is_there_without_scripts(browser, animals):
    with opened(browser, animals[1].html, java_script_enabled=False) as (page, _):
        assert page.locator(".strip >> visible=true").count() == 60
        assert page.locator("#scores tbody tr >> visible=true").count() == 7
        assert page.locator("#separation tbody tr >> visible=true").count() == 8
        assert page.locator(".js >> visible=true").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_both_schemes(browser, animals, scheme):
    with opened(browser, animals[1].html, color_scheme=scheme) as (page, _):
        low = page.evaluate(CONTRAST)
        assert low == []


CONTRAST = """() => {
  const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1}).getContext('2d');
  const rgb = colour => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => {
    const f = c => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
    return .2126 * f(r) + .7152 * f(g) + .0722 * f(b); };
  const behind = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor);
    if (c[3] > 250) return c; } return [255, 255, 255]; };
  const bad = [];
  for (const e of document.querySelectorAll('h1,h2,h3,p,a,li,td,th,dt,dd,span,b,code,button,option')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) || !e.offsetParent) continue;
    if (e.closest('.hidden,.skip,button:disabled')) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    if ((a + .05) / (b + .05) < 4.5) bad.push(`${e.tagName}.${e.className} ${e.textContent.slice(0, 30)}`);
  }
  return bad; }"""
