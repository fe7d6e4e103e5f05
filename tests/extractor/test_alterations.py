"""Each alteration does to pixels what its definition says, whatever the picture's size, and the same every time."""

import numpy as np
import pytest
from PIL import Image

from bignet.errors import UsageError
from bignet.extractor.alterations import SHORTER_SIDE, USUAL, Alteration, parse, reduced
from tests.extractor.pictures import photo

SIZES = [(64, 48), (47, 81), (1, 1), (1, 300), (300, 2)]
EACH = ["rotate:33", "scale:0.4", "scale:1.7", "blur:0.02", "jpeg:30", "brightness:0.5", "flip", "occlusion:0.2"]


def pixels(picture):
    return np.asarray(picture).astype(int)


def altered(name, picture):
    return pixels(parse(name).apply(picture))


def middle_circle(width, height, margin):
    """Pixels that a turn brings in from within the frame."""
    down, across = np.mgrid[:height, :width] + 0.5
    return np.hypot(down - height / 2, across - width / 2) < min(width, height) / 2 - margin


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", EACH)
def test_a_copy_is_rgb_of_the_same_size_the_same_every_time_and_the_picture_stays(name, size):
    picture = photo(1, size)
    before = picture.tobytes()
    copy = parse(name).apply(picture)
    assert (copy.mode, copy.size) == ("RGB", size)
    assert copy.tobytes() == parse(name).apply(picture).tobytes()
    assert picture.tobytes() == before


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", ["rotate:0", "rotate:360", "scale:1", "blur:0", "brightness:1"])
def test_no_strength_changes_nothing(name, size):
    np.testing.assert_array_equal(altered(name, photo(2, size)), pixels(photo(2, size)))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_half_a_turn_and_mirroring_move_every_pixel(size):
    picture = photo(3, size)
    np.testing.assert_array_equal(altered("rotate:180", picture), pixels(picture)[::-1, ::-1])
    np.testing.assert_array_equal(altered("flip", picture), pixels(picture)[:, ::-1])


@pytest.mark.parametrize("degrees", [5, 37, 90, 143, -20])
@pytest.mark.parametrize("size", [(80, 60), (61, 75)], ids=str)
def test_a_turn_is_anticlockwise_about_the_middle(degrees, size):
    picture = photo(4, size)
    wanted = pixels(picture.rotate(degrees, Image.Resampling.BICUBIC))
    inside = middle_circle(*size, margin=4)
    assert np.abs(altered(f"rotate:{degrees}", picture) - wanted)[inside].max() <= 1


def test_a_quarter_turn_of_a_wide_picture_brings_in_its_reflection():
    picture = photo(5, (40, 20))
    turned = altered("rotate:90", picture)
    reflected = np.concatenate([pixels(picture)[::-1], pixels(picture), pixels(picture)[::-1]])  # 60 rows
    whole = np.rot90(reflected[10:50])  # the square of 40 around the middle
    np.testing.assert_array_equal(turned, whole[10:30])


def test_no_corner_is_filled_with_a_colour_the_picture_does_not_have():
    bright = Image.new("RGB", (50, 30), (200, 180, 160))
    for name in ("rotate:30", "rotate:90", "scale:0.3"):
        np.testing.assert_array_equal(altered(name, bright), pixels(bright))


def test_enlarging_shows_the_middle_and_shrinking_surrounds_it_with_its_reflection():
    picture = photo(6, (80, 60))
    box = picture.resize((80, 60), Image.Resampling.BICUBIC, box=(20, 15, 60, 45))
    np.testing.assert_array_equal(altered("scale:2", picture), pixels(box))
    small = pixels(picture.resize((40, 30), Image.Resampling.BICUBIC))
    shrunk = altered("scale:0.5", picture)
    np.testing.assert_array_equal(shrunk[15:45, 20:60], small)
    np.testing.assert_array_equal(shrunk[15:45, 60:], small[:, ::-1][:, :20])
    np.testing.assert_array_equal(shrunk[:15, 20:60], small[::-1][15:])


def test_blur_is_a_share_of_the_shorter_side():
    small = photo(7, (60, 40))
    large = small.resize((240, 160), Image.Resampling.NEAREST)
    one = parse("blur:0.1").apply(small)
    other = parse("blur:0.1").apply(large).resize((60, 40), Image.Resampling.BOX)
    assert np.abs(pixels(one) - pixels(other)).mean() < 2 < np.abs(pixels(one) - pixels(small)).mean()


def test_a_lower_quality_and_less_light_change_more():
    picture = photo(8, (120, 90))
    for kind, weak, strong in (("jpeg", 90, 5), ("brightness", 0.9, 0.4), ("blur", 0.005, 0.05)):
        near, far = (np.abs(altered(f"{kind}:{s}", picture) - pixels(picture)).mean() for s in (weak, strong))
        assert near < far
    np.testing.assert_allclose(altered("brightness:0.5", picture), pixels(picture) / 2, atol=1)


@pytest.mark.parametrize("size", [(90, 60), (60, 90), (400, 10)], ids=str)
def test_occlusion_covers_its_share_of_the_area_in_the_middle_with_grey(size):
    white = Image.new("RGB", size, (255, 255, 255))
    covered = (altered("occlusion:0.25", white) == 128).all(axis=2)
    assert covered.mean() == pytest.approx(0.25, rel=0.05)
    down, across = (place.mean() + 0.5 for place in np.nonzero(covered))
    assert (across, down) == pytest.approx((size[0] / 2, size[1] / 2), abs=0.5)


def test_large_pictures_are_brought_down_and_others_left_alone():
    assert reduced(photo(9, (1200, 600))).size == (2 * SHORTER_SIDE, SHORTER_SIDE)
    small = photo(9, (300, 200))
    assert reduced(small) is small


def test_a_strip_is_cut_to_its_middle_so_that_a_turn_fits_the_memory():
    strip = Image.new("RGB", (2, 60_000))
    strip.putpixel((0, 30_000), (9, 9, 9))
    cut = reduced(strip)
    assert cut.size == (2, 8 * SHORTER_SIDE)
    assert cut.getpixel((0, 4 * SHORTER_SIDE)) == (9, 9, 9)


def test_names_are_read_back():
    assert [parse(item.name) for item in USUAL] == list(USUAL)
    assert len(set(USUAL)) == 12
    assert parse("flip") == Alteration("flip", 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("melt:1", "unknown"),
        ("rotate:x", "no number"),
        ("rotate:nan", "from -360"),
        ("scale:0", "from 0.1"),
        ("jpeg:96", "1 to 95"),
    ],
)
def test_what_is_no_alteration_is_refused_with_what_is_allowed(text, message):
    with pytest.raises(UsageError, match=message):
        parse(text)
