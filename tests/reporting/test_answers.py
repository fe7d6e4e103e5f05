import os
import re

import pytest
from PIL import Image

from bignet.errors import ResourceError, UsageError
from bignet.reporting.answers import AnswersSource, ShownAnswer, ShownHit, write_answers
from tests.reporting.browser import opened

HOSTILE = b"<img src=x onerror=alert(1)>\"'&\xe2\x80\xae\n\xff.png"


def make(folder, n_hits=7, n_answers=2, **changed):
    root = folder / "images"
    (root / "cat").mkdir(parents=True, exist_ok=True)
    names = [f"cat/{number}.png".encode() for number in range(n_hits - 2)] + [HOSTILE, b"../outside.png"]
    for number, name in enumerate(names[:-1]):
        size = (200, 80) if number % 2 else (32, 32)
        Image.new("RGB", size, (40 * number % 256, 90, 160)).save(os.path.join(os.fsencode(root), name), "PNG")
    Image.new("RGB", (99, 99)).save(folder / "outside.png")
    hits = tuple(ShownHit(7 + n, name, 0.9 - n / 10, ("cat", None, "</script>")[n % 3]) for n, name in enumerate(names))
    asked = (names[0], os.fsencode(folder / "outside.png"), b"gone.png")
    answers = [ShownAnswer(f"query {n} <b>", (asked[n % 3],), hits, "exact scan of 7 rows") for n in range(n_answers)]
    fields = {
        "store_name": "s<i>.bignet",
        "embedding": "head.gap",
        "image_root": root,
        "facts": (("where", "width < 7 & \"label\" = '<u>'"),),
        "answers": tuple(answers),
    }
    return AnswersSource(**(fields | changed))


@pytest.fixture
def page_of(tmp_path):
    def write(**changed):
        write_answers(make(tmp_path, **changed), tmp_path / "page.html")
        return tmp_path / "page.html"

    return write


@pytest.mark.parametrize("width", [390, 1280, 1920])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_and_asks_for_nothing(browser, page_of, width, scheme):
    options = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
    with opened(browser, page_of(n_answers=3), **options) as (page, watch):
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.locator(".answer").count() == 3
        assert page.locator(".hits li").count() == 21
        assert page.locator("h1").inner_text() == "3 queries, 21 hits"
        watch.assert_quiet()
        assert watch.dialogs == []


def test_hostile_names_are_shown_and_do_nothing(browser, page_of):
    with opened(browser, page_of()) as (page, watch):
        titles = page.locator(".path").evaluate_all("all => all.map(one => one.title)")
        assert r"<img src=x onerror=alert(1)>" + "\"'&\\u202e\\n\\xff.png" in titles
        assert page.locator("img").count() == 0
        page.locator("[data-open='1.6']").click()
        assert page.locator("#viewer-path").inner_text().startswith("<img src=x")
        watch.assert_quiet()
        assert watch.dialogs == []


def test_pictures_outside_the_folder_are_not_shown_unless_they_were_asked_for(browser, page_of):
    with opened(browser, page_of(n_answers=3)) as (page, _):
        assert page.locator("#q1 .hits .none").all_inner_texts() == ["outside folder"]
        assert page.locator("#q2 .own .none").count() == 0
        assert page.locator("#q3 .own .none").all_inner_texts() == ["missing"]
        assert "2 pictures are not shown (1 missing, 1 outside folder)" in page.locator(".aside").inner_text()


def test_a_picture_is_enlarged_by_keyboard_with_its_true_shape_and_put_away(browser, page_of):
    with opened(browser, page_of()) as (page, _):
        page.locator("[data-open='1.2']").focus()
        page.keyboard.press("Enter")
        assert page.locator("#viewer-title").inner_text() == "Rank 2 score 0.800"
        box = page.locator("#viewer-other .pic").bounding_box()
        assert box["width"] / box["height"] == pytest.approx(2.5, abs=0.05)
        assert page.url.endswith("#q1.2")
        page.keyboard.press("ArrowRight")
        assert page.locator("#viewer-title").inner_text().startswith("Rank 3")
        page.keyboard.press("ArrowDown")
        assert page.url.endswith("#q2.3")
        for _ in range(9):
            page.keyboard.press("ArrowLeft")
        assert page.locator("#viewer-title").inner_text() == "Query query 1 <b>"
        page.keyboard.press("Escape")
        assert page.evaluate("document.activeElement.dataset.open") == "1.2"
        assert not page.locator("#viewer").is_visible()


def test_an_address_opens_its_picture(browser, page_of):
    with opened(browser, page_of(), fragment="#q2.3") as (page, _):
        assert page.locator("#viewer-title").inner_text().startswith("Rank 3")


def test_every_picture_of_a_combined_query_can_be_enlarged(browser, tmp_path):
    source = make(tmp_path, n_answers=1)
    both = ShownAnswer("a b:-1", (b"cat/0.png", b"cat/1.png"), source.answers[0].hits, "")
    write_answers(make(tmp_path, answers=(both,)), tmp_path / "page.html")
    with opened(browser, tmp_path / "page.html") as (page, _):
        assert page.locator("h1").inner_text() == "The 7 images most similar to 2 images combined"
        page.locator(".own button").nth(1).click()
        assert page.locator("#viewer-path").inner_text() == "cat/1.png"
        page.keyboard.press("ArrowRight")
        assert page.locator("#viewer-path").inner_text() == "cat/0.png"
        page.keyboard.press("ArrowRight")
        assert page.locator("#viewer-title").inner_text().startswith("Rank 1")


def test_no_hits_say_why_and_a_vector_needs_no_picture(browser, tmp_path):
    answers = (ShownAnswer("vector", (), (), "exact scan of 0 matching rows"),)
    write_answers(make(tmp_path, answers=answers, facts=()), tmp_path / "page.html")
    with opened(browser, tmp_path / "page.html") as (page, watch):
        assert page.locator("h1").inner_text() == "Nothing found for vector"
        assert "meets what was asked for" in page.locator(".empty").inner_text()
        watch.assert_quiet()


def test_each_picture_is_in_the_page_once(page_of):
    text = page_of(n_answers=3).read_text()
    numbers = re.findall(r"^\.t(\d+)\{background-image", text, re.MULTILINE)
    assert len(numbers) == len(set(numbers)) == 7  # six hits and the one that was asked for


def test_names_and_places_that_cannot_be_written_are_explained(tmp_path):
    with pytest.raises(UsageError, match=r"\.html"):
        write_answers(make(tmp_path), tmp_path / "page.txt")
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="cannot write the page"):
        write_answers(make(tmp_path), tmp_path / "file" / "page.html")
