"""Stores of every kind give a whole page: tiny, huge, unlabelled, hostile, empty."""

import json
import shutil
from dataclasses import replace

import pytest

from tests.reporting.browser import opened
from tests.reporting.factory import make_world

SHOWN = ".strip:not([hidden])"
SCRIPT = "<script>alert(1)</script>"
HOSTILE = (
    b"ok/a.jpg",
    b"ok/line\nbreak.jpg",
    b"ok/\x1b[31mred.jpg",
    b"ok/\xe2\x80\xaegpj.exe.jpg",
    b"ok/\xff\xfe.jpg",
    b"ok/' onmouseover='alert(1).jpg",
    b'ok/" onfocus="alert(1)" autofocus=".jpg',
    b"ok/{{ 7*7 }}.jpg",
)


LONG = "long-" * 60
FOREIGN = ("\u05e9\u05dc\u05d5\u05dd", "\u0627\u0644\u0639 1", "\u65e5\u672c", "e\u0301te\u0301 \U0001f431")


def hostile_world(folder):
    labels = [SCRIPT, "</script><img src=x onerror=alert(1)>", 'x" onclick="alert(1)', "=1+1"] * 2
    world = make_world(folder, labels, names=HOSTILE)
    paths = (b"a</script><svg onload=alert(1)>.jpg", *world.source.paths[1:])
    source = replace(
        world.source,
        paths=paths,
        store_name="</title><script>alert(1)</script>.bignet",
        embedding="<b>gap</b>",
        provenance={"<i>model</i>": "</script><script>alert(1)</script>"},
        rejected={SCRIPT: 2},
    )
    evaluation = replace(world.evaluation, warnings=(SCRIPT,))
    return replace(world, source=source, evaluation=evaluation)


def test_hostile_names_do_no_harm(browser, tmp_path, write, animals):
    files = write(hostile_world(tmp_path / "images"))
    with opened(browser, animals[1].html) as (page, _):
        scripts = page.locator("script").count()
    with opened(browser, files.html) as (page, watch):
        assert page.locator("script").count() == scripts == 2
        assert (
            page.locator("main img, main b b, main i i, main b:has-text('gap'), [onload], [onclick], [onfocus]").count()
            == 0
        )
        assert page.evaluate(
            "[...document.querySelectorAll('svg')].every(s => s.closest('.hundred') || s.classList.contains('whisker'))"
        )
        for button in page.locator(f"{SHOWN} [data-open]").all()[:12]:
            button.click()
            page.keyboard.press("Escape")
        page.wait_for_timeout(100)
        assert watch.dialogs == []
        watch.assert_quiet()
        text = page.locator("#data").inner_text()
    shown = [item["path"] for item in json.loads(text)["items"].values()]
    assert r"ok/line\nbreak.jpg" in shown
    assert r"ok/\x1b[31mred.jpg" in shown
    assert r"ok/\u202egpj.exe.jpg" in shown
    assert r"ok/\xff\xfe.jpg" in shown
    html = files.html.read_bytes()
    assert b"\x1b" not in html
    assert "\u202e".encode() not in html


WORLDS = {
    "twelve": lambda folder: make_world(folder, [*"abcdefg", *"abcde"], spread=1.5),
    "unlabelled": lambda folder: make_world(folder, [None] * 15),
    "one class": lambda folder: make_world(folder, ["only"] * 15),
    "empty": lambda folder: make_world(None, []),
    "all rejected": lambda folder: make_world(None, [], rejected={"truncated": 7}),
    "one row": lambda folder: make_world(folder, ["a"]),
    "one bare row": lambda folder: make_world(folder, [None]),
    "no folder": lambda folder: make_world(None, ["a", "b"] * 8),
    "unusable": lambda folder: make_world(folder, ["a", "b"] * 8, unusable=(0, 5)),
    "singletons": lambda folder: make_world(folder, [f"c{i}" for i in range(9)]),
}
SENTENCES = {
    "twelve": "10 queries",
    "unlabelled": "No labels: nothing here says the neighbours are right.",
    "one class": "Only one class",
    "empty": "holds no images",
    "all rejected": "all were rejected",
    "one row": "is undefined",
    "one bare row": "No labels",
    "no folder": "no image folder",
    "unusable": "2 vectors cannot be compared",
    "singletons": "is undefined",
}


@pytest.mark.parametrize("name", SENTENCES)
@pytest.mark.parametrize("width", [390, 1280])
def test_every_kind_of_store_gives_a_whole_page(browser, tmp_path, write, name, width):
    files = write(WORLDS[name](tmp_path / "images"))
    with opened(browser, files.html, viewport={"width": width, "height": 844}) as (page, watch):
        page.wait_for_timeout(50)
        watch.assert_quiet()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("main > section").count() == 10
        assert SENTENCES[name] in page.locator("main").inner_text()
        assert page.locator(".sentences > *").count() == 3
        for word in ("None", "nan", "NaN", "undefined: \n"):
            assert word not in page.locator("main").inner_text().split()


@pytest.mark.parametrize("width", [390, 1280])
def test_long_and_foreign_names_stay_inside_their_places(browser, tmp_path, write, width):
    world = make_world(None, [LONG, SCRIPT, *FOREIGN] * 6, spread=1.6, families=True)
    with opened(browser, write(world).html, viewport={"width": width, "height": 844}) as (page, watch):
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator(f"#separation [title='{LONG}']").first.inner_text().count("…") == 1
        options = page.locator("#by-class option").all_text_contents()
        assert set(FOREIGN) | {LONG, SCRIPT} <= set(options)
        page.select_option("#by-class", FOREIGN[1])
        assert page.locator(SHOWN).first.get_attribute("data-label") == FOREIGN[1]
        page.reload()
        assert page.locator("#by-class").input_value() == FOREIGN[1]
        watch.assert_quiet()


def test_missing_pictures_show_a_labelled_placeholder(browser, tmp_path, write):
    world = make_world(tmp_path / "images", ["a", "b"] * 8)
    shutil.rmtree(tmp_path / "images" / "a")
    (tmp_path / "images" / "b" / "0001.jpg").write_bytes(b"no picture")
    files = write(world)
    with opened(browser, files.html) as (page, watch):
        assert "9 pictures are not shown (8 missing, 1 unsupported format)" in page.locator("main").inner_text()
        assert page.locator(f"{SHOWN} .pic.none").first.text_content() in ("missing", "unsupported format")
        page.click(f"{SHOWN} .tile:has(.none) button >> nth=0")
        watch.assert_quiet()


def test_a_thousand_classes_open_at_once_fold_unfold_and_filter(browser, thousand):
    with opened(browser, thousand.html, viewport={"width": 390, "height": 844}) as (page, watch):
        timing = "performance.getEntriesByType('navigation')[0].loadEventEnd"
        page.wait_for_function(f"{timing} > 0")
        assert page.evaluate(timing) < 3000
        rows = page.locator("#separation tbody tr >> visible=true")
        assert rows.count() == 50
        page.fill("[data-filter=separation]", "class-0012")
        assert rows.count() > 0
        assert all("class-0012" in row.get_attribute("data-class") + row.get_attribute("data-nearest")
                   for row in rows.all())  # fmt: skip
        page.fill("[data-filter=separation]", "")
        page.click("[data-fold=separation]")
        assert rows.count() == 1000
        assert page.locator("#matrix tbody tr").count() == 60
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        watch.assert_quiet()
