import io
import resource
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image, ImageOps
from torchvision.transforms import functional as F
from torchvision.transforms.functional import InterpolationMode

from bignet.extractor.decode import decode
from bignet.images import Limits, Reason, RejectedImage
from bignet.spec import Preprocess
from tests.extractor.pictures import encoded, photo, turned

HALF = (0.5, 0.5, 0.5)
USUAL = Preprocess(232, 224, "bilinear", HALF, HALF)
BICUBIC = Preprocess(256, 224, "bicubic", HALF, HALF)


def squares(data, preprocess=USUAL):
    """(ours, the published pipeline's) as (crop, crop, 3) float."""
    ours = decode(data, preprocess, Limits())[0].permute(1, 2, 0).numpy()
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
    assert_alike(*squares(FILES[name], preprocess))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_as_their_camera_says(orientation):
    data = turned(photo(4, (320, 240)), orientation)
    assert_alike(*squares(data))
    _, width, height = decode(data, USUAL, Limits())
    assert (width, height) == ((320, 240) if orientation < 5 else (240, 320))


def test_a_crop_larger_than_the_resized_picture_is_filled_with_black():
    wide = Preprocess(32, 48, "bilinear", HALF, HALF)
    ours, theirs = squares(FILES["jpeg"], wide)
    assert_alike(ours, theirs)
    assert not ours[0].any()


@pytest.mark.parametrize("size", [(1, 5000), (5000, 1), (3, 20000), (20000, 3), (2, 65000)])
def test_extreme_strips_are_decoded_in_bounded_memory(size):
    rows = np.linspace(0, 255, max(size)).astype(np.uint8)
    pixels = np.broadcast_to(rows[:, None] if size[0] < size[1] else rows[None, :], (size[1], size[0]))
    data = encoded(Image.fromarray(np.repeat(pixels[..., None], 3, axis=2)), "PNG")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    square, width, height = decode(data, USUAL, Limits())
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert (width, height) == size
    assert square.shape == (3, 224, 224)
    assert np.abs(square.float().mean().item() - 127.5) < 3  # the middle of the gradient
    assert grown < 200_000_000  # resized whole, the longest would take gigabytes


@pytest.mark.parametrize("size", [(12, 1200), (1200, 12), (31, 2000), (2000, 31)])
def test_the_middle_of_a_strip_is_what_the_published_pipeline_sees(size):
    # The longer side is rounded to whole pixels once more: a shift of a fraction of a pixel.
    assert_alike(*squares(encoded(photo(5, size), "PNG")), most=2)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (3, 3)])
def test_the_smallest_pictures_are_pictures(size):
    square, *_ = decode(encoded(Image.new("RGB", size, (200, 100, 50)), "PNG"), USUAL, Limits())
    assert square.permute(1, 2, 0).reshape(-1, 3).unique(dim=0).tolist() == [[200, 100, 50]]


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
            assert decode(bytes(data), USUAL, Limits())[0].shape == (3, 224, 224)
