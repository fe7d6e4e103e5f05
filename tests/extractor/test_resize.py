"""Parts of resized pictures are Pillow's, to the bit: any size, filter and processor, with the kernel or without."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pytest
from PIL import Image

from bignet.extractor import native, resize
from tests.extractor.libraries import COMPILER, WIDTHS, run_checked
from tests.extractor.pictures import photo

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
SIZES = [
    ((500, 375), (341, 256)),
    ((375, 500), (256, 341)),
    ((333, 500), (256, 384)),
    ((64, 48), (320, 240)),
    ((301, 203), (301, 101)),
    ((301, 203), (97, 203)),
    ((224, 224), (224, 224)),
    ((1301, 1199), (77, 71)),
    ((7, 5), (31, 40)),
    ((13, 100), (9, 8)),
    ((1000, 9), (30, 2)),
    ((900, 700), (3, 3)),
]
FOR_THE_KERNEL = [each for each in SIZES if not resize._rows_first(*each)]
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler")


@pytest.fixture
def by_kernel(kernels_there, monkeypatch):
    """Pillow may not help."""
    monkeypatch.setattr(resize, "_by_pillow", None)


@pytest.fixture
def by_pillow(monkeypatch):
    """No kernel was built."""
    monkeypatch.setattr(native, "load", lambda _name: None)


def boxes_in(size):
    width, height = size
    return [
        (0, 0, *size),
        (width // 5, height // 3, width - width // 4, height - height // 7),
        (width - 1, 0, width, 1),
    ]


def whole(picture, size, interpolation):
    return np.asarray(picture.resize(size, FILTERS[interpolation]))


def assert_equal(picture, size, box, interpolation):
    left, upper, right, lower = box
    expected = whole(picture, size, interpolation)[upper:lower, left:right]
    np.testing.assert_array_equal(resize.part(picture, size, box, interpolation), expected)


@needs_compiler
@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize(("before", "after"), FOR_THE_KERNEL, ids=str)
def test_the_kernel_gives_pillows_pixels(before, after, interpolation, by_kernel):
    for box in boxes_in(after):
        assert_equal(photo(1, before), after, box, interpolation)


@needs_compiler
@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize(("lanes", "rows"), WIDTHS)
def test_every_processor_gives_the_same(lanes, rows, interpolation, compiled, monkeypatch, by_kernel):
    library = compiled("resize", lanes, rows)
    assert library.lanes() == lanes
    monkeypatch.setattr(native, "load", lambda _name: library)
    for before, after in FOR_THE_KERNEL:
        assert_equal(photo(2, before), after, boxes_in(after)[1], interpolation)


@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize(("before", "after"), SIZES, ids=str)
def test_without_the_kernel_pixels_are_the_same(before, after, interpolation, by_pillow):
    for box in boxes_in(after)[:2]:
        assert_equal(photo(1, before), after, box, interpolation)


LEFT_TO_PILLOW = [((9, 300), (3, 100)), ((301, 203), (301, 101)), ((1, 1), (8, 9))]


@pytest.mark.parametrize(("before", "after"), LEFT_TO_PILLOW, ids=str)
def test_what_the_kernel_is_not_made_for_is_left_to_pillow(before, after):
    assert resize._by_kernel(photo(3, before), after, (0, 0, *after), "bilinear") is None
    assert_equal(photo(3, before), after, (0, 0, *after), "bilinear")


@needs_compiler
@pytest.mark.parametrize("interpolation", FILTERS)
def test_large_pictures_are_read_in_strips(interpolation, by_kernel, monkeypatch):
    read = []
    held = resize._held
    monkeypatch.setattr(resize, "_held", lambda picture: read.append(picture.size) or held(picture))
    assert_equal(photo(4, (1601, 1103)), (371, 256), (73, 16, 297, 240), interpolation)
    assert len(read) > 5
    assert {width for width, _ in read} < set(range(960, 1010))


@needs_compiler
def test_sharp_edges_do_not_overflow(by_kernel):
    squares = np.kron(np.indices((20, 30)).sum(axis=0) % 2, np.ones((9, 9)))[..., None].repeat(3, axis=2)
    picture = Image.fromarray((squares * 255).astype(np.uint8))
    for size in ((211, 150), (400, 260)):
        assert_equal(picture, size, (0, 0, *size), "bicubic")


@needs_compiler
def test_threads_do_not_disturb_each_other(by_kernel):
    pictures = [photo(seed, (200 + 11 * seed, 170 + 7 * seed)) for seed in range(8)]
    size, box = (128, 96), (3, 5, 120, 90)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda each: resize.part(each, size, box, "bilinear"), pictures * 5))
    for picture, pixels in zip(pictures * 5, found, strict=True):
        np.testing.assert_array_equal(pixels, whole(picture, size, "bilinear")[5:90, 3:120])


@needs_compiler
@pytest.mark.parametrize(("lanes", "rows"), WIDTHS)
def test_it_stays_within_its_memory(lanes, rows, tmp_path):
    assert "kinds of pictures" in run_checked("resize", "accesses_resize.c", lanes, rows, tmp_path)


def test_a_picture_that_pillow_holds_in_pieces_is_resized():
    program = """
from tests.extractor.test_resize import assert_equal, photo, resize
picture = photo(5, (300, 200))
assert resize._by_kernel(picture, (60, 40), (0, 0, 60, 40), "bilinear") is None
assert_equal(picture, (60, 40), (0, 0, 60, 40), "bilinear")
"""
    env = {**os.environ, "PILLOW_BLOCK_SIZE": "16k"}
    subprocess.run([sys.executable, "-c", program], env=env, check=True)


@pytest.mark.parametrize(("before", "after"), list(product([(500, 375), (100, 640)], [(40_000, 30_000), (7000, 90)])))
def test_of_a_picture_made_much_larger_only_the_part_is_made(before, after, by_pillow):
    width, height = after
    box = (width // 2, height // 2, width // 2 + 30, height // 2 + 20)
    found = resize.part(photo(6, before), after, box, "bilinear")
    assert found.shape == (20, 30, 3)
