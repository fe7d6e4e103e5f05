"""Any file becomes RGB pixels or a reason of the closed list."""

import hashlib
import io
import os
import socket
import struct

import numpy as np
import pytest
from PIL import Image, ImageOps

from bignet.images import (
    Limits,
    Reason,
    RejectedImage,
    load_rgb,
    open_header,
    open_rgb,
    orientation,
    read_image_file,
)

NOISE = np.random.default_rng(0).integers(0, 256, (30, 50, 3), dtype=np.uint8)


def encoded(picture, kind, **options):
    file = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(file, kind, **options)
    return file.getvalue()


def pixels(data, **options):
    picture = open_rgb(data, **options)
    assert picture.mode == "RGB"
    return np.asarray(picture).astype(int)


def refused(call, *arguments):
    with pytest.raises(RejectedImage) as caught:
        call(*arguments)
    return caught.value.reason


def gif_header(width, height):
    """A whole small GIF that declares a large picture."""
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    frame = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0)
    return screen + frame + b"\x02\x02\x4c\x01\x00;"


class TestReading:
    def test_a_file_is_read_whole_with_its_digest(self, tmp_path):
        path = tmp_path / "a.bin"
        path.write_bytes(b"abc" * 1_000_000)
        file = read_image_file(path)
        assert file.data == path.read_bytes()
        assert file.sha256 == hashlib.sha256(file.data).digest()
        assert (file.n_bytes, file.mtime_ns) == (3_000_000, path.stat().st_mtime_ns)

    def test_names_may_be_any_bytes(self, tmp_path):
        path = os.fsencode(tmp_path) + b"/\xff\n\x1b[2J.jpg"
        with open(path, "wb") as file:  # noqa: PTH123
            file.write(b"x")
        assert read_image_file(path).data == b"x"

    def test_a_missing_file_is_unreadable(self, tmp_path):
        assert refused(read_image_file, tmp_path / "none") == Reason.UNREADABLE

    def test_a_symlink_loop_is_unreadable(self, tmp_path):
        (tmp_path / "a").symlink_to(tmp_path / "b")
        (tmp_path / "b").symlink_to(tmp_path / "a")
        assert refused(read_image_file, tmp_path / "a") == Reason.UNREADABLE

    def test_a_folder_fifo_socket_or_device_is_not_a_regular_file(self, tmp_path):
        (tmp_path / "folder.jpg").mkdir()
        os.mkfifo(tmp_path / "fifo.jpg")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / "socket.jpg"))
            for name in ("folder.jpg", "fifo.jpg", "socket.jpg"):
                assert refused(read_image_file, tmp_path / name) == Reason.NOT_REGULAR_FILE
        assert refused(read_image_file, "/dev/zero") == Reason.NOT_REGULAR_FILE

    def test_refusing_leaves_no_descriptor_open(self, tmp_path):
        before = os.listdir("/proc/self/fd")  # noqa: PTH208
        for path in (tmp_path, "/dev/zero", tmp_path / "none"):
            refused(read_image_file, path)
        assert os.listdir("/proc/self/fd") == before  # noqa: PTH208

    def test_a_file_above_the_limit_is_not_read(self, tmp_path):
        path = tmp_path / "huge.jpg"
        with path.open("wb") as file:
            file.truncate(2**40)
        assert refused(read_image_file, path) == Reason.TOO_LARGE_BYTES
        path.write_bytes(b"12345")
        assert refused(read_image_file, path, Limits(max_bytes=4)) == Reason.TOO_LARGE_BYTES
        assert read_image_file(path, Limits(max_bytes=5)).n_bytes == 5

    @pytest.mark.parametrize("new", [b"longer than it was", b"", b"other"])
    def test_a_file_that_changes_meanwhile_is_refused(self, tmp_path, monkeypatch, new):
        path = tmp_path / "a.jpg"
        path.write_bytes(b"first")
        os.utime(path, ns=(0, 0))
        real = os.read

        def changing(descriptor, n_bytes):
            path.write_bytes(new)
            return real(descriptor, n_bytes)

        monkeypatch.setattr(os, "read", changing)
        assert refused(read_image_file, path) == Reason.CHANGED_WHILE_READING

    def test_a_disk_error_is_unreadable(self, tmp_path, monkeypatch):
        (tmp_path / "a.jpg").write_bytes(b"abc")

        def broken(_descriptor, _n_bytes):
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(os, "read", broken)
        assert refused(read_image_file, tmp_path / "a.jpg") == Reason.UNREADABLE


class TestRefusing:
    def test_the_list_of_reasons_is_closed(self):
        assert set(Reason) == {
            "not_regular_file",
            "unreadable",
            "too_large_bytes",
            "too_many_pixels",
            "unsupported_format",
            "corrupt",
            "truncated",
            "timeout",
            "worker_crash",
            "changed_while_reading",
            "non_finite_vector",
        }

    def test_an_empty_file_is_truncated(self):
        assert refused(open_rgb, b"") == Reason.TRUNCATED

    @pytest.mark.parametrize("data", [bytes(1000), b"\xde\xad\xbe\xef" * 100, b"<html>not an image</html>", b"x"])
    def test_what_is_no_image_is_unsupported(self, data):
        assert refused(open_rgb, data) == Reason.UNSUPPORTED_FORMAT

    def test_formats_outside_the_list_are_unsupported(self):
        """EPS would start an interpreter of a whole language."""
        eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
        assert refused(open_rgb, eps) == Reason.UNSUPPORTED_FORMAT
        for kind in ("PPM", "TGA", "ICO", "PDF", "EPS", "JPEG2000"):
            assert refused(open_rgb, encoded(NOISE, kind)) == Reason.UNSUPPORTED_FORMAT, kind

    @pytest.mark.parametrize("start", [b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0"])
    def test_a_known_format_with_a_broken_header_is_corrupt_or_truncated(self, start):
        assert refused(open_rgb, start + b"\x00" * 40) in (Reason.CORRUPT, Reason.TRUNCATED)

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
    def test_a_file_cut_short_is_refused(self, kind):
        data = encoded(NOISE, kind)
        allowed = {Reason.TRUNCATED, Reason.CORRUPT}
        assert refused(open_rgb, data[: len(data) * 6 // 10]) in allowed
        assert refused(open_rgb, data[: len(data) * 3 // 10]) in allowed

    def test_a_jpeg_cut_short_is_truncated_not_grey(self):
        data = encoded(np.kron(NOISE, np.ones((8, 8, 1), np.uint8)), "JPEG")
        assert refused(open_rgb, data[: len(data) // 2]) == Reason.TRUNCATED

    @pytest.mark.parametrize("size", [(8289, 8192), (10_000, 10_000), (20_000, 20_000), (65_535, 65_535)])
    def test_a_bomb_is_refused_by_its_header(self, size):
        """Below, at and above the sizes of which Pillow warns or refuses by itself."""
        data = gif_header(*size)
        assert len(data) < 100
        assert refused(open_header, data) == Reason.TOO_MANY_PIXELS
        assert refused(open_rgb, data) == Reason.TOO_MANY_PIXELS

    def test_the_limit_on_pixels_is_inclusive(self):
        data = encoded(NOISE, "PNG")
        assert open_rgb(data, Limits(max_pixels=1500)).size == (50, 30)
        assert refused(open_rgb, data, Limits(max_pixels=1499)) == Reason.TOO_MANY_PIXELS

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
    def test_damaged_bytes_give_pixels_or_a_reason_never_another_error(self, kind):
        generator = np.random.default_rng(1)
        data = encoded(NOISE, kind)
        n_refused = 0
        for _ in range(150):
            broken = bytearray(data)
            for position in generator.integers(0, len(data), 4):
                broken[position] = generator.integers(0, 256)
            try:
                assert open_rgb(bytes(broken), Limits(max_pixels=10_000)).mode == "RGB"
            except RejectedImage as refusal:
                assert refusal.detail  # noqa: PT017 - one of the two right outcomes
                assert "\n" not in refusal.detail  # noqa: PT017
                n_refused += 1
        assert n_refused > 0 or kind == "BMP"


class TestPixels:
    @pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP"])
    def test_lossless_formats_give_the_pixels_back(self, kind):
        options = {"lossless": True} if kind == "WEBP" else {}
        np.testing.assert_array_equal(pixels(encoded(NOISE, kind, **options)), NOISE)

    def test_the_format_is_decided_by_content(self, tmp_path):
        path = tmp_path / "photo.jpg"
        path.write_bytes(encoded(NOISE, "PNG"))
        np.testing.assert_array_equal(pixels(read_image_file(path).data), NOISE)
        assert open_header(path.read_bytes()).format == "PNG"

    @pytest.mark.parametrize("kind", ["PNG", "TIFF"])
    def test_a_16_bit_ramp_keeps_its_levels(self, kind):
        ramp = np.linspace(0, 65535, 512 * 8).reshape(8, 512).astype(np.uint16)
        found = pixels(encoded(Image.fromarray(ramp), kind))
        assert len(np.unique(found)) > 200
        np.testing.assert_array_equal(found, np.repeat((ramp >> 8)[..., None], 3, axis=2))

    def test_transparency_is_laid_over_white(self):
        layer = np.zeros((4, 4, 4), np.uint8)
        layer[:2, :, 3] = 255
        layer[3, :, 3] = 128
        found = pixels(encoded(layer, "PNG"))
        assert (found[:2] == 0).all()
        assert (found[2] == 255).all()
        np.testing.assert_allclose(found[3], 127, atol=1)

    def test_a_transparent_palette_entry_is_white(self):
        picture = Image.new("P", (4, 4), 0)
        picture.putpalette([255, 0, 0, 0, 0, 255] + [0] * 762)
        picture.putpixel((1, 1), 1)
        found = pixels(encoded(picture, "PNG", transparency=0))
        assert found[0, 0].tolist() == [255, 255, 255]
        assert found[1, 1].tolist() == [0, 0, 255]
        assert pixels(encoded(picture, "PNG"))[0, 0].tolist() == [255, 0, 0]

    def test_a_transparent_colour_of_an_rgb_picture_is_white(self):
        picture = Image.new("RGB", (2, 1), (10, 20, 30))
        picture.putpixel((1, 0), (40, 50, 60))
        found = pixels(encoded(picture, "PNG", transparency=(10, 20, 30)))
        assert found[0].tolist() == [[255, 255, 255], [40, 50, 60]]

    def test_grey_with_transparency_is_laid_over_white(self):
        layer = np.array([[[100, 255], [100, 0]]], np.uint8)
        found = pixels(encoded(_la(layer), "PNG"))
        assert found[0].tolist() == [[100, 100, 100], [255, 255, 255]]

    def test_grey_and_one_bit_pictures_have_three_equal_channels(self):
        grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
        np.testing.assert_array_equal(pixels(encoded(grey, "PNG")), np.repeat(grey[..., None], 3, axis=2))
        bits = Image.fromarray(grey).point(lambda value: 255 * (value > 127), mode="1")
        for kind in ("PNG", "TIFF", "BMP"):
            found = pixels(encoded(bits, kind))
            assert set(np.unique(found)) == {0, 255}, kind
            assert found[0, 0, 0] == 0
            assert found[15, 15, 0] == 255

    def test_cmyk_gives_the_colours_that_were_meant(self):
        colours = {(0, 0, 0, 0): (255, 255, 255), (255, 0, 0, 0): (0, 255, 255), (0, 0, 0, 255): (0, 0, 0)}
        for ink, light in colours.items():
            for kind in ("JPEG", "TIFF"):
                found = pixels(encoded(Image.new("CMYK", (16, 16), ink), kind))
                np.testing.assert_allclose(found[8, 8], light, atol=4)

    @pytest.mark.parametrize(("dtype", "low", "high"), [(np.int32, -5000, 90_000), (np.float32, -1.5, 0.25)])
    def test_pictures_without_a_fixed_range_are_stretched(self, dtype, low, high):
        values = np.linspace(low, high, 256).reshape(16, 16).astype(dtype)
        found = pixels(encoded(Image.fromarray(values), "TIFF"))
        assert (found[0, 0, 0], found[15, 15, 0]) == (0, 255)
        assert len(np.unique(found)) > 200

    def test_a_constant_picture_without_a_range_is_black(self):
        assert not pixels(encoded(Image.fromarray(np.full((4, 4), 7.0, np.float32)), "TIFF")).any()

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_numbers_that_are_none_are_corrupt(self, value):
        values = np.ones((4, 4), np.float32)
        values[1, 2] = value
        assert refused(open_rgb, encoded(Image.fromarray(values), "TIFF")) == Reason.CORRUPT

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
    @pytest.mark.parametrize("turn", range(1, 9))
    def test_pictures_are_upright(self, kind, turn):
        exif = Image.Exif()
        exif[0x0112] = turn
        options = {"lossless": True} if kind == "WEBP" else {}
        data = encoded(NOISE, kind, exif=exif, **options)
        assert orientation(open_header(data)) == turn
        with Image.open(io.BytesIO(data)) as picture:
            expected = np.asarray(ImageOps.exif_transpose(picture).convert("RGB")).astype(int)
        np.testing.assert_array_equal(pixels(data), expected)
        assert expected.shape == ((30, 50, 3) if turn < 5 else (50, 30, 3))

    @pytest.mark.parametrize("value", [0, 9, 77])
    def test_an_orientation_that_is_none_is_passed_over(self, value):
        exif = Image.Exif()
        exif[0x0112] = value
        np.testing.assert_array_equal(pixels(encoded(NOISE, "PNG", exif=exif)), NOISE)

    def test_broken_exif_does_not_make_a_broken_picture(self):
        data = encoded(NOISE, "PNG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff")
        np.testing.assert_array_equal(pixels(data), NOISE)

    @pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF", "PNG"])
    def test_an_animation_is_its_first_frame(self, kind):
        frames = [Image.new("RGB", (8, 8), colour) for colour in ((250, 0, 0), (0, 250, 0), (0, 0, 250))]
        options = {"lossless": True} if kind == "WEBP" else {}
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert Image.open(io.BytesIO(data)).n_frames == 3
        np.testing.assert_allclose(pixels(data)[4, 4], (250, 0, 0), atol=6)

    def test_a_draft_is_smaller_but_no_smaller_than_asked(self):
        large = np.kron(NOISE, np.ones((20, 20, 1), np.uint8))
        picture = open_rgb(encoded(large, "JPEG"), draft=(200, 120))
        assert 200 <= picture.width < 1000
        assert 120 <= picture.height < 600
        assert open_rgb(encoded(NOISE, "PNG"), draft=(5, 5)).size == (50, 30)

    @pytest.mark.parametrize("turn", [1, 3, 6])
    def test_a_draft_does_not_hide_the_size_of_the_whole_picture(self, turn):
        exif = Image.Exif()
        exif[0x0112] = turn
        large = np.kron(NOISE, np.ones((20, 20, 1), np.uint8))
        for kind in ("JPEG", "TIFF"):
            picture, size = load_rgb(open_header(encoded(large, kind, exif=exif)), (200, 120))
            assert size == ((600, 1000) if turn == 6 else (1000, 600))
            assert (picture.size == size) == (kind == "TIFF")


def _la(layer):
    return Image.merge("LA", [Image.fromarray(layer[..., number]) for number in (0, 1)])
