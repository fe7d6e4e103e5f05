import io

import numpy as np
import pytest
from PIL import Image

from bignet.names import pasteable, shorten, storable, visible
from bignet.reporting.colour import contrast, ramp
from bignet.reporting.numbers import brief, decimals, percent, signed
from bignet.reporting.relation import DIFFERENT, PARENT, SAME, UNLABELLED, Relations, parent_of
from bignet.reporting.settings import ReportSettings
from bignet.reporting.strips import choose_strips
from bignet.reporting.thumbnails import encode_thumbnail, make_thumbnails
from tests.reporting.factory import make_evaluation, make_world


@pytest.mark.parametrize(("name", "expected"), [
    (b"plain.jpg", "plain.jpg"),
    (b"a\nb", r"a\nb"),
    (b"\x1b[0m", r"\x1b[0m"),
    ("\u202egpj", r"\u202egpj"),
    (b"\xff", r"\xff"),
    ("e\u0301\u200d", "e\u0301\u200d"),
    ("\U000e0041", r"\U000e0041"),
])  # fmt: skip
def test_names_show_what_cannot_be_printed(name, expected):
    assert visible(name) == expected


def test_names_are_stored_as_valid_text_and_pasted_as_a_shell_reads_them():
    assert storable("a\udcff\n") == "a\\xff\n"
    assert pasteable(b"a b.jpg") == "a b.jpg"
    assert pasteable(b"a\n'.jpg") == r"$'a\x0a\x27.jpg'"


def test_long_names_lose_their_middle():
    assert shorten("abcdefghij", 10) == "abcdefghij"
    assert shorten("abcdefghijk", 10) == "abcde…hijk"


def test_numbers_read_well():
    assert decimals(-0.0004) == "0.000"
    assert decimals(-0.5) == "\u22120.500"
    assert signed(0.25) == "+0.250"
    assert percent(0.99999) == "over 99.9\u00a0%"
    assert brief(0.123456) == 0.1235
    assert brief(float("nan")) is None


def test_relations_follow_the_path_and_its_escapes():
    assert parent_of("a#b#c") == "a#b"
    assert parent_of(r"a\#b") is None
    relations = Relations.of(["a#b", "a#b", "a#c", "a", "d#b", None, None])
    to_first = relations.between(np.zeros(7, dtype=np.int64), np.arange(7))
    assert to_first.tolist() == [SAME, SAME, PARENT, PARENT, DIFFERENT, UNLABELLED, UNLABELLED]
    assert relations.between(np.array([5]), np.array([6])).tolist() == [UNLABELLED]


def test_the_colour_scale_darkens_steadily_and_its_text_can_be_read():
    steps = ramp()
    from_black = [contrast(back, "#000000") for back, _ in steps]
    assert from_black == sorted(from_black, reverse=True)
    assert min(contrast(back, text) for back, text in steps) >= 4.5


def test_strips_are_distinct_repeatable_and_cover_every_class():
    evaluation = make_evaluation([f"c{i % 12}" for i in range(240)], spread=1.5)
    settings = ReportSettings(strips=40)
    strips = choose_strips(evaluation, settings)
    assert strips == choose_strips(evaluation, settings)
    assert len({strip.row for strip in strips}) == len(strips) == 40
    assert {evaluation.labels[s.row] for s in strips if "class" in s.places} == set(evaluation.labels)
    worst = sorted((s for s in strips if "worst" in s.places), key=lambda s: s.places["worst"])
    scores = [evaluation.per_query.apr[s.row] for s in worst]
    assert scores == sorted(scores)
    assert scores[0] == np.nanmin(evaluation.per_query.apr)


def test_wrong_strips_show_the_most_similar_mistake_first():
    evaluation = make_evaluation(["a", "b", "c"] * 40, spread=2.0)
    strips = [s for s in choose_strips(evaluation, ReportSettings()) if "wrong" in s.places]
    strips.sort(key=lambda s: s.places["wrong"])
    assert all(s.neighbours[0].relation == DIFFERENT for s in strips)
    similar = [s.neighbours[0].similarity for s in strips]
    assert similar == sorted(similar, reverse=True)


def test_thumbnails_are_small_new_jpegs_of_the_right_shape():
    made = encode_thumbnail(Image.new("RGB", (900, 600), "red"), ReportSettings())
    assert (made.width, made.height) == (144, 96)
    assert Image.open(io.BytesIO(made.jpeg)).size == (144, 96)
    long = encode_thumbnail(Image.new("RGB", (3000, 30)), ReportSettings())
    assert (long.width, long.height) == (288, 3)
    tiny = encode_thumbnail(Image.new("RGB", (8, 8)), ReportSettings())
    assert (tiny.width, tiny.is_crisp) == (8, True)
    assert not made.is_crisp


def test_thumbnails_keep_no_bytes_of_the_original(tmp_path):
    world = make_world(tmp_path, ["a", "a"])
    secret = b"GPS-SECRET"
    exif = Image.Exif()
    exif[0x010E] = secret.decode()
    Image.new("RGB", (80, 60)).save(tmp_path / "a" / "0000.jpg", exif=exif)
    assert secret in (tmp_path / "a" / "0000.jpg").read_bytes()
    made = make_thumbnails(world.source, [0, 1], ReportSettings())
    assert secret not in made[0].jpeg


def test_thumbnails_never_leave_the_folder(tmp_path):
    Image.new("RGB", (9, 9)).save(tmp_path / "outside.jpg")
    names = (b"../outside.jpg", str(tmp_path / "outside.jpg").encode(), b"", b"nul\0.jpg")
    world = make_world(None, ["a"] * 4, names=names)
    source = type(world.source)(**{**vars(world.source), "image_root": tmp_path / "images"})
    made = make_thumbnails(source, range(4), ReportSettings())
    assert {thumbnail.missing for thumbnail in made.values()} == {"outside folder"}


def test_no_more_thumbnails_than_allowed(tmp_path):
    world = make_world(tmp_path, ["a"] * 6)
    made = make_thumbnails(world.source, [5, 4, 3, 3, 2], ReportSettings(max_thumbnails=2))
    assert [row for row, thumbnail in made.items() if thumbnail.jpeg] == [5, 4]
    assert made[2].missing == "left out"
