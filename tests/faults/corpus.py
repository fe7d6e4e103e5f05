"""Hostile images: small pictures of every kind, damaged by seeded chance."""

import io
import random
import struct

import numpy as np
from PIL import Image

from tests.extractor.pictures import encoded, photo, turned


def bomb(width, height):
    """A GIF of a few bytes that declares so many pixels."""
    sides = struct.pack("<HH", width, height)
    return b"GIF89a" + sides + b"\x80\0\0" + bytes(6) + b"," + bytes(4) + sides + b"\0\2\1\4\0;"


def sound():
    """Name -> bytes of pictures that every decoder reads."""
    picture = photo(0, (40, 30))
    deep = Image.fromarray(np.linspace(0, 65535, 1200).astype(np.uint16).reshape(30, 40))
    frames = [photo(seed, (24, 24)) for seed in range(3)]
    return {
        "rgb.jpg": encoded(picture),
        "progressive.jpg": encoded(picture, progressive=True),
        "cmyk.jpg": encoded(picture.convert("CMYK")),
        "grey.jpg": encoded(picture.convert("L")),
        "turned.jpg": turned(picture, 6),
        "rgb.png": encoded(picture, "PNG"),
        "alpha.png": encoded(picture.convert("RGBA"), "PNG"),
        "palette.png": encoded(picture.quantize(16), "PNG"),
        "deep.png": encoded(deep, "PNG"),
        "bits.png": encoded(picture.convert("1"), "PNG"),
        "still.gif": encoded(picture.quantize(32), "GIF"),
        "moving.gif": encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "rgb.bmp": encoded(picture, "BMP"),
        "rgb.tif": encoded(picture, "TIFF"),
        "deep.tif": encoded(deep, "TIFF"),
        "packed.tif": encoded(picture, "TIFF", compression="tiff_lzw"),
        "rgb.webp": encoded(picture, "WEBP", quality=80),
        "alpha.webp": encoded(picture.convert("RGBA"), "WEBP", lossless=True),
    }


def foreign():
    """Name -> bytes of what is no picture of an accepted format, or only says that it is one."""
    picture = photo(1, (32, 32))
    return {
        "picture.ppm": encoded(picture, "PPM"),
        "picture.tga": encoded(picture, "TGA"),
        "picture.eps": encoded(picture, "EPS"),
        "page.html": b"<html><img src=x></html>",
        "script.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "archive.zip": b"PK\3\4" + bytes(64),
        "bomb.gif": bomb(8289, 8192),
        "larger.gif": bomb(65535, 65535),
        "zeros.png": bytes(300),
        "nothing.jpg": b"",
    }


def write(folder, n_damaged, seed=11):
    """Sound, foreign and ``n_damaged`` damaged files -> how many."""
    pictures = sound()
    contents = pictures | foreign()
    chance = random.Random(seed)
    names = sorted(pictures)
    for number in range(n_damaged):
        name = names[number % len(names)]
        damage = chance.choice([_cut, _flip, _splice, _fill])
        contents[f"{number:04}-{damage.__name__[1:]}-{name}"] = damage(bytearray(pictures[name]), pictures, chance)
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return len(contents)


def _cut(data, _pictures, chance):
    return bytes(data[: chance.randrange(len(data))])


def _flip(data, _pictures, chance):
    for _ in range(chance.choice([1, 3, 20])):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def _splice(data, pictures, chance):
    other = pictures[chance.choice(sorted(pictures))]
    return bytes(data[: chance.randrange(len(data))]) + other[chance.randrange(len(other)) :]


def _fill(data, _pictures, chance):
    start = chance.randrange(len(data))
    size = chance.randrange(1, 60)
    data[start : start + size] = bytes([chance.choice([0, 255])]) * len(data[start : start + size])
    return bytes(data)


ACCEPTED = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP")


def expected(data, max_pixels=40_000_000):
    """What plain Pillow makes of a file: ``ok``, or the reasons that fit it."""
    if not data:
        return {"truncated"}
    try:
        image = Image.open(io.BytesIO(data))
    except Exception:
        return {"corrupt", "unsupported_format", "truncated", "too_many_pixels"}
    if image.format not in ACCEPTED:
        return {"unsupported_format", "corrupt"}
    if image.width * image.height > max_pixels:
        return {"too_many_pixels"}
    try:
        image.convert("RGB")
    except Exception:
        return {"corrupt", "truncated", "unsupported_format"}
    return {"ok"}
