import io
import resource
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torchvision.transforms import functional as F
from torchvision.transforms.functional import InterpolationMode

from bignet.extractor.decode import decode, squares
from bignet.images import Limits, Reason, RejectedImage
from bignet.spec import Preprocess
from tests.extractor.pictures import encoded, photo, turned

HALF = (0.5, 0.5, 0.5)
USUAL = Preprocess(232, 224, "bilinear", HALF, HALF)
BICUBIC = Preprocess(256, 224, "bicubic", HALF, HALF)


def pixels(data, preprocess=USUAL):
    """The views of a file as (V, crop, crop, 3) integers."""
    return decode(data, preprocess, Limits())[0].permute(0, 2, 3, 1).numpy().astype(int)


def with_published(data, preprocess=USUAL):
    """(ours, the published pipeline's) as (crop, crop, 3) float."""
    ours = decode(data, preprocess, Limits())[0][0].permute(1, 2, 0).numpy()
    picture = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    resized = F.resize(picture, [preprocess.resize], interpolation=InterpolationMode(preprocess.interpolation))
    theirs = np.asarray(F.center_crop(resized, [preprocess.crop, preprocess.crop]))
    assert ours.dtype == np.uint8
    assert ours.shape == theirs.shape == (preprocess.crop, preprocess.crop, 3)
    return ours.astype(float), theirs.astype(float)


def assert_alike(ours, theirs, most=0.5):
    cosine = (ours * theirs).sum() / np.sqrt((ours**2).sum() * (theirs**2).sum())
    assert cosine >= 0.9999
    assert np.abs(ours - theirs).mean() < most


PHOTO = photo(0, (500, 375))
FILES = {
    "jpeg": encoded(PHOTO, quality=90),
    "jpeg, no subsampling": encoded(PHOTO, quality=95, subsampling=0),
    "jpeg, progressive": encoded(PHOTO, quality=75, progressive=True),
    "jpeg, gray": encoded(PHOTO.convert("L")),
    "jpeg, cmyk": encoded(PHOTO.convert("CMYK")),
    "png": encoded(PHOTO, "PNG"),
    "png, palette": encoded(PHOTO.quantize(64), "PNG"),
    "webp": encoded(PHOTO, "WEBP", quality=90),
    "webp, lossless": encoded(PHOTO, "WEBP", lossless=True),
    "gif": encoded(PHOTO, "GIF"),
    "bmp": encoded(PHOTO, "BMP"),
    "tiff": encoded(PHOTO, "TIFF"),
    "upright": encoded(photo(1, (375, 500))),
    "larger crop than picture": encoded(photo(2, (40, 30))),
    "square": encoded(photo(3, (224, 224)), "PNG"),
}


@pytest.mark.parametrize("preprocess", [USUAL, BICUBIC], ids=["bilinear", "bicubic"])
@pytest.mark.parametrize("name", FILES)
def test_pixels_are_those_of_the_published_pipeline(name, preprocess):
    assert_alike(*with_published(FILES[name], preprocess))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_as_their_camera_says(orientation):
    data = turned(photo(4, (320, 240)), orientation)
    assert_alike(*with_published(data))
    _, width, height = decode(data, USUAL, Limits())
    assert (width, height) == ((320, 240) if orientation < 5 else (240, 320))


def test_a_crop_larger_than_the_resized_picture_is_filled_with_black():
    wide = Preprocess(32, 48, "bilinear", HALF, HALF)
    ours, theirs = with_published(FILES["jpeg"], wide)
    assert_alike(ours, theirs)
    assert not ours[0].any()


@pytest.mark.parametrize("size", [(1, 5000), (5000, 1), (3, 20000), (20000, 3), (2, 650_000)])
@pytest.mark.parametrize("mode", ["crop", "squash", "pad"])
def test_extreme_strips_are_decoded_in_bounded_memory(size, mode):
    rows = np.linspace(0, 255, max(size)).astype(np.uint8)
    pixels = np.broadcast_to(rows[:, None] if size[0] < size[1] else rows[None, :], (size[1], size[0]))
    data = encoded(Image.fromarray(np.repeat(pixels[..., None], 3, axis=2)), "PNG")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    square, width, height = decode(data, replace(USUAL, mode=mode), Limits())
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert (width, height) == size
    assert square.shape == (1, 3, 224, 224)
    assert np.abs(square.float().mean().item() - 127.5) < 3  # the middle of the gradient
    assert grown < 200_000_000  # resized whole, the longest would take gigabytes


@pytest.mark.parametrize("size", [(12, 1200), (1200, 12), (31, 2000), (2000, 31)])
def test_the_middle_of_a_strip_is_what_the_published_pipeline_sees(size):
    # Of tall pictures Pillow resizes the whole rows first, and a part columns first: another rounding.
    assert_alike(*with_published(encoded(photo(5, size), "PNG")), most=1)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (3, 3)])
def test_the_smallest_pictures_are_pictures(size):
    square, *_ = decode(encoded(Image.new("RGB", size, (200, 100, 50)), "PNG"), USUAL, Limits())
    assert square[0].permute(1, 2, 0).reshape(-1, 3).unique(dim=0).tolist() == [[200, 100, 50]]


def test_limits_hold_before_decoding():
    data = encoded(photo(0), "PNG")
    with pytest.raises(RejectedImage) as caught:
        decode(data, USUAL, Limits(max_pixels=64 * 48 - 1))
    assert caught.value.reason == Reason.TOO_MANY_PIXELS


@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "gif", "bmp", "tiff"])
def test_cut_and_altered_files_are_decoded_or_rejected_never_a_crash(name):
    rng = np.random.default_rng(0)
    small = {"webp": "WEBP"}.get(name, name.upper())
    whole = encoded(photo(0), small)
    for _ in range(40):
        data = bytearray(whole[: rng.integers(0, len(whole) + 1)])
        for place in rng.integers(0, max(len(data), 1), size=3):
            if data:
                data[place] = rng.integers(256)
        with suppress(RejectedImage):
            assert decode(bytes(data), USUAL, Limits())[0].shape == (1, 3, 224, 224)


SIDES = [(500, 375), (375, 500), (400, 315), (320, 239), (257, 263), (96, 64), (300, 640), (1021, 509), (333, 500)]


@pytest.mark.parametrize("preprocess", [USUAL, BICUBIC], ids=["bilinear", "bicubic"])
@pytest.mark.parametrize("size", SIDES)
def test_resizing_only_what_the_crop_sees_changes_no_pixel(size, preprocess):
    np.testing.assert_array_equal(*with_published(encoded(photo(6, size), "PNG"), preprocess))


def test_a_flat_picture_stays_flat_in_every_mode_and_view():
    data = encoded(Image.new("RGB", (301, 203), (9, 120, 250)), "PNG")
    for change in ({}, {"views": "ten"}, {"mode": "squash", "views": "flip"}):
        assert (pixels(data, replace(USUAL, **change)) == [9, 120, 250]).all()


def test_views_are_channels_last_in_memory():
    for views, number in (("centre", 1), ("flip", 2), ("five", 5), ("ten", 10)):
        found = decode(FILES["png"], replace(USUAL, views=views), Limits())[0]
        assert found.shape == (number, 3, 224, 224)
        assert found.dtype == torch.uint8
        assert found.is_contiguous(memory_format=torch.channels_last)


class TestModes:
    @pytest.mark.parametrize("size", [(500, 375), (30, 80), (224, 224), (1, 5000), (5000, 1), (2, 20000)])
    def test_squash_presses_the_whole_picture_into_the_square(self, size):
        picture = photo(7, size)
        expected = np.asarray(picture.resize((224, 224), Image.Resampling.BILINEAR)).astype(int)
        found = pixels(encoded(picture, "PNG"), replace(USUAL, mode="squash"))[0]
        assert np.abs(found - expected).max() <= 1

    @pytest.mark.parametrize("size", [(500, 375), (375, 500), (30, 80), (80, 31), (224, 224), (1, 5000), (5000, 2)])
    def test_pad_keeps_the_whole_picture_and_its_shape(self, size):
        picture = photo(8, size)
        preprocess = replace(BICUBIC, mode="pad", mean=(0.485, 0.456, 0.406))
        small = picture.resize([max(round(side * 224 / max(size)), 1) for side in size], Image.Resampling.BICUBIC)
        expected = np.tile(np.array([124, 116, 104]), (224, 224, 1))  # the mean in 0..255
        left, top = (224 - small.width) // 2, (224 - small.height) // 2
        expected[top : top + small.height, left : left + small.width] = np.asarray(small)
        np.testing.assert_array_equal(pixels(encoded(picture, "PNG"), preprocess)[0], expected)

    def test_modes_of_a_square_picture_that_fits_are_the_picture(self):
        picture = photo(9, (64, 64))
        for mode in ("crop", "squash", "pad"):
            preprocess = replace(USUAL, resize=64, crop=64, mode=mode)
            np.testing.assert_array_equal(pixels(encoded(picture, "PNG"), preprocess)[0], np.asarray(picture))


class TestViews:
    @pytest.mark.parametrize("mode", ["crop", "squash", "pad"])
    def test_flip_is_the_square_and_its_mirror_image(self, mode):
        square = pixels(FILES["png"], replace(USUAL, mode=mode))[0]
        found = pixels(FILES["png"], replace(USUAL, mode=mode, views="flip"))
        np.testing.assert_array_equal(found, [square, square[:, ::-1]])

    @pytest.mark.parametrize(("views", "cut"), [("five", F.five_crop), ("ten", F.ten_crop)])
    @pytest.mark.parametrize("size", [(500, 375), (375, 500), (250, 250), (501, 377)])
    def test_five_and_ten_are_those_of_torchvision(self, views, cut, size):
        picture = photo(10, size)
        expected = [np.asarray(view) for view in cut(F.resize(picture, [232]), [224, 224])]
        np.testing.assert_array_equal(pixels(encoded(picture, "PNG"), replace(USUAL, views=views)), expected)

    @pytest.mark.parametrize(("views", "cut"), [("five", F.five_crop), ("ten", F.ten_crop)])
    @pytest.mark.parametrize("size", [(2700, 300), (300, 2700), (1201, 100), (31, 2001)])
    def test_corners_of_a_strip_are_those_of_the_whole_picture(self, views, cut, size):
        picture = photo(10, size)
        expected = np.array([np.asarray(view) for view in cut(F.resize(picture, [232]), [224, 224])]).astype(int)
        found = pixels(encoded(picture, "PNG"), replace(USUAL, views=views)).astype(int)
        assert np.abs(found - expected).max() <= 2  # two roundings, as above
        assert np.abs(found - expected).mean() < 0.3

    def test_corners_of_a_strip_are_cut_in_bounded_memory(self):
        data = encoded(Image.new("RGB", (40_000, 1), (1, 2, 3)), "PNG")
        assert (pixels(data, replace(USUAL, views="ten")) == [1, 2, 3]).all()


FAST = replace(USUAL, decode="fast")


class TestFast:
    @pytest.mark.parametrize("mode", ["crop", "squash", "pad"])
    @pytest.mark.parametrize("name", FILES)
    def test_small_jpegs_and_other_formats_are_exact(self, name, mode):
        exact, fast = (replace(USUAL, mode=mode, decode=decoder) for decoder in ("exact", "fast"))
        np.testing.assert_array_equal(pixels(FILES[name], fast), pixels(FILES[name], exact))

    def test_large_files_of_other_formats_are_exact(self):
        data = encoded(photo(11, (1600, 1200)), "PNG")
        np.testing.assert_array_equal(pixels(data, FAST), pixels(data))

    @pytest.mark.parametrize("mode", ["crop", "squash", "pad"])
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_large_jpegs_are_near_upright_and_of_their_own_size(self, orientation, mode):
        data = turned(photo(12, (2000, 1500)), orientation)
        fast, width, height = decode(data, replace(FAST, mode=mode), Limits())
        assert (width, height) == ((2000, 1500) if orientation < 5 else (1500, 2000))
        exact = decode(data, replace(USUAL, mode=mode), Limits())[0]
        assert not torch.equal(fast, exact)  # it is another decoder
        assert_alike(fast.numpy().astype(float), exact.numpy().astype(float), most=2)

    def test_the_scale_is_the_smallest_that_is_twice_the_size_needed(self, monkeypatch):
        asked = []
        draft = Image.Image.draft

        def noted(image, mode, size):
            asked.append((image.size, size))
            return draft(image, mode, size)

        monkeypatch.setattr("PIL.JpegImagePlugin.JpegImageFile.draft", noted)
        decode(encoded(photo(13, (1000, 800))), FAST, Limits())
        decode(encoded(photo(13, (1000, 800))), replace(FAST, mode="squash"), Limits())
        decode(encoded(photo(13, (1000, 800))), replace(FAST, mode="pad"), Limits())
        sizes = [size for _, size in asked]
        assert sizes == [(580, 464), (448, 448), (448, 358)]

    def test_limits_are_those_of_the_whole_picture(self):
        data = encoded(photo(14, (1600, 1200)))
        with pytest.raises(RejectedImage) as caught:
            decode(data, FAST, Limits(max_pixels=1600 * 1200 - 1))
        assert caught.value.reason == Reason.TOO_MANY_PIXELS

    def test_a_jpeg_cut_short_is_truncated_for_it_too(self):
        data = encoded(photo(15, (1600, 1200)))
        for preprocess in (USUAL, FAST):
            with pytest.raises(RejectedImage) as caught:
                decode(data[: len(data) // 2], preprocess, Limits())
            assert caught.value.reason == Reason.TRUNCATED


class TestFidelity:
    """What a file means does not depend on how it is written."""

    def test_nine_ways_to_turn_a_photo_give_the_same_square(self):
        picture = photo(16, (320, 240))
        plain = pixels(encoded(picture, quality=95))[0]
        back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # orientation -> the transposition that undoes it
        for orientation in range(1, 9):
            stored = picture.transpose(back[orientation]) if orientation > 1 else picture
            assert_alike(pixels(turned(stored, orientation))[0].astype(float), plain.astype(float), most=1.5)

    @pytest.mark.parametrize("kind", ["PNG", "TIFF"])
    def test_a_16_bit_ramp_keeps_its_levels(self, kind):
        ramp = np.tile(np.linspace(0, 65535, 512).astype(np.uint16), (512, 1))
        found = pixels(encoded(Image.fromarray(ramp), kind), replace(USUAL, mode="squash", crop=512))[0]
        assert len(np.unique(found)) > 200
        assert np.abs(found[0, :, 0] - ramp[0] / 257).max() <= 1.5

    def test_alpha_lies_on_white(self):
        layer = np.full((64, 64, 4), 40, np.uint8)
        layer[:, :32, 3], layer[:, 32:, 3] = 255, 0
        found = pixels(encoded(Image.fromarray(layer), "PNG"), replace(USUAL, resize=64, crop=64))[0]
        assert (found[:, :32] == 40).all()
        assert (found[:, 32:] == 255).all()

    def test_gray_palette_and_cmyk_are_the_colours_they_show(self):
        colours = Image.fromarray(np.repeat(np.repeat(np.eye(3, dtype=np.uint8) * 255, 64, 0)[:, None], 192, 1))
        small = replace(USUAL, resize=192, crop=192)
        plain = pixels(encoded(colours, "PNG"), small)
        np.testing.assert_array_equal(pixels(encoded(colours.quantize(16), "PNG"), small), plain)
        np.testing.assert_array_equal(pixels(encoded(colours.convert("CMYK"), "TIFF"), small), plain)
        gray = pixels(encoded(colours.convert("L"), "PNG"), small)[0]
        assert [gray[y, 9].tolist() for y in (30, 94, 158)] == [[76] * 3, [150] * 3, [29] * 3]


def test_squares_take_the_resized_size_from_the_whole_picture():
    picture = photo(17, (501, 377))
    whole = squares(picture.resize((1002, 754)), USUAL, (1003, 755))
    assert_alike(whole.numpy().astype(float), squares(picture, USUAL).numpy().astype(float), most=3)
