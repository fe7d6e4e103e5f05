import io

import numpy as np
import pytest
from PIL import Image, ImageFont

from bignet.errors import ResourceError, UsageError
from bignet.reporting import sheet
from bignet.reporting.sheet import SheetRow, SheetTile, contact_sheet


def png(size, colour="red"):
    target = io.BytesIO()
    Image.new("RGB", size, colour).save(target, "PNG")
    return target.getvalue()


def row(n=3, **tile):
    made = {"name": "cat/0001.jpg", "image": png((80, 60)), "score": 0.9123, "label": "cat"} | tile
    return SheetRow("query.jpg", png((60, 90), "blue"), (SheetTile(**made),) * n)


def dark(path):
    """How many pixels are written on."""
    return int((np.asarray(Image.open(path).convert("L")) < 128).sum())


@pytest.mark.parametrize("ending", ["jpg", "jpeg", "png", "webp", "PNG"])
def test_the_format_follows_the_name(tmp_path, ending):
    out = tmp_path / f"sheet.{ending}"
    contact_sheet([row(), row(5)], out)
    picture = Image.open(out)
    assert picture.format == sheet.FORMATS[f".{ending.lower()}"]
    assert picture.convert("RGB").getpixel((2, 2)) == (255, 255, 255)
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_pictures_keep_their_shape(tmp_path):
    contact_sheet([row()], tmp_path / "sheet.png")
    pixels = np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB")).astype(int)
    red = np.argwhere((pixels == (255, 0, 0)).all(axis=2))
    blue = np.argwhere((pixels == (0, 0, 255)).all(axis=2))
    assert np.ptp(blue[:, 0]) + 1 == 160
    assert np.ptp(blue[:, 1]) + 1 == pytest.approx(107, abs=1)
    assert np.ptp(red[:, 0]) + 1 == 120


def test_small_pictures_are_enlarged_in_whole_pixels(tmp_path):
    target = io.BytesIO()
    checker = np.indices((8, 8)).sum(axis=0) % 2 * 255
    Image.fromarray(checker.astype(np.uint8)).save(target, "PNG")
    contact_sheet([SheetRow("q", target.getvalue(), ())], tmp_path / "sheet.png")
    pixels = np.asarray(Image.open(tmp_path / "sheet.png").convert("L"))
    tile = pixels[40:200, 40:200]
    assert set(np.unique(tile)) == {0, 255}
    assert (tile[:20, :20] == tile[0, 0]).all()


@pytest.mark.parametrize("data", [None, b"", b"no picture"])
def test_missing_and_broken_pictures_become_placeholders(tmp_path, data):
    contact_sheet([SheetRow("q", data, (SheetTile("a", data, 0.5, None),))], tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 1000


@pytest.mark.parametrize("name", ["猫の写真.jpg", "\u202egpj\n\x1b[31m", "e\u0301" * 300, "🐈" * 80, "a\udcff", ""])
def test_any_name_can_be_written(tmp_path, name):
    contact_sheet([row(name="", label=None)], tmp_path / "blank.png")
    contact_sheet([row(name=name, label=name or None)], tmp_path / "sheet.png")
    assert (dark(tmp_path / "sheet.png") > dark(tmp_path / "blank.png")) == bool(name)


def test_names_are_spelled_out_where_no_font_has_their_letters(tmp_path, monkeypatch):
    monkeypatch.setattr(sheet, "_OTHER_FONTS", ())
    contact_sheet([row(name="")], tmp_path / "blank.png")
    contact_sheet([row(name="猫" * 40)], tmp_path / "sheet.png")
    assert dark(tmp_path / "sheet.png") > dark(tmp_path / "blank.png")
    monkeypatch.setattr(sheet.ImageFont, "load_default", lambda size: ImageFont.load_default_imagefont())
    contact_sheet([row(name="猫" * 40)], tmp_path / "sheet.png")


def test_other_endings_are_refused_with_those_allowed(tmp_path):
    with pytest.raises(UsageError, match=r"\.jpg, \.jpeg, \.png, \.webp"):
        contact_sheet([row()], tmp_path / "sheet.gif")


def test_no_rows_and_too_many_rows_are_refused(tmp_path):
    with pytest.raises(UsageError, match="nothing to draw"):
        contact_sheet([], tmp_path / "sheet.png")
    with pytest.raises(UsageError, match="at most"):
        contact_sheet([row(0)] * 300, tmp_path / "sheet.jpg")


def test_a_place_that_cannot_be_written_is_explained(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ResourceError, match="cannot write the sheet"):
        contact_sheet([row()], tmp_path / "file" / "sheet.png")
