"""How fast this machine decodes, how fast the network runs on it, and what bounds an extraction; in a few seconds."""

from __future__ import annotations

import io
import os
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bignet.errors import UsageError
from bignet.extractor import timing
from bignet.extractor.decode import decode
from bignet.extractor.machine import available_cores
from bignet.images import Limits, RejectedImage, open_header, read_image_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bignet.extractor.encoder import Encoder
    from bignet.spec import Preprocess

MOST_PHOTOS = 64
DECODE_SECONDS = 1.5
FORWARD_SECONDS = 3.0
CAMERA_MEGAPIXELS = 2.0  # from here on a JPEG is several times as large as what the network sees
MOST_OF_IT = 0.6
SMALL_NETWORKS = ("mobilenet_v3_small", "squeezenet1_1", "resnet18")  # the cheapest first


@dataclass(frozen=True)
class Speed:
    """What was measured.

    Attributes:
        photos: files that were decoded again and again.
        refused: files that were no pictures.
        generated: whether the files were made for this.
        megapixels: of a photo, the median.
        cores: decoding threads.
        decode: images a second of decoding alone, on all cores.
        model: the network, with random weights.
        device: where it ran.
        precision: its arithmetic.
        forward: images a second of the network alone.
    """

    photos: int
    refused: int
    generated: bool
    megapixels: float
    cores: int
    decode: float
    model: str
    device: str
    precision: str
    forward: float

    @property
    def expected(self) -> float:
        """Images a second end to end: on shared cores the times add up, beside a GPU the slower one counts."""
        return timing.end_to_end(self.forward, self.decode, on_gpu=self.device != "cpu")

    @property
    def network_share(self) -> float:
        """The network's part of the work, 0 to 1."""
        return self.decode / (self.decode + self.forward)


def bottleneck(speed: Speed) -> tuple[str, str]:
    """What bounds an extraction, and what to change, a sentence each."""
    share = speed.network_share
    if share >= MOST_OF_IT:
        known = SMALL_NETWORKS.index(speed.model) if speed.model in SMALL_NETWORKS else len(SMALL_NETWORKS)
        smaller = f"a small one ({' or '.join(SMALL_NETWORKS[:known])})" if known else "an earlier --layer"
        other = "use a GPU" if speed.device == "cpu" else "larger batches (--batch-size 128)"
        return f"the network is the bottleneck: {share:.0%} of the work", f"Take {smaller}, or {other}."
    what = "decoding is the bottleneck" if share <= 1 - MOST_OF_IT else "decoding and the network take about as long"
    text = f"{what}: {1 - share:.0%} of the work is decoding"
    if speed.megapixels >= CAMERA_MEGAPIXELS:
        return text, "These are camera-size photos: extract with --decode auto."
    return text, "More cores help, and smaller files."


def measure(photos: Photos, encoder: Encoder) -> Speed:
    """Both rates, one after the other."""
    return Speed(
        photos=len(photos.files),
        refused=photos.refused,
        generated=photos.generated,
        megapixels=statistics.median(_megapixels(data) for data in photos.files),
        cores=available_cores(),
        decode=decode_rate(photos.files, encoder.spec.preprocess, DECODE_SECONDS),
        model=encoder.spec.model,
        device=encoder.device.type,
        precision=encoder.spec.precision,
        forward=timing.forward_rate(encoder, FORWARD_SECONDS).images_s,
    )


@dataclass(frozen=True)
class Photos:
    """Files to decode, whole, in memory.

    Attributes:
        files: their bytes.
        refused: how many were no pictures.
        generated: whether they were made for this.
    """

    files: tuple[bytes, ...]
    refused: int
    generated: bool


def photos_of(images: str) -> Photos:
    """Up to 64 photos spread over a folder or a list.

    Raises:
        UsageError: no such folder, or nothing in it can be read as a picture.
    """
    from bignet.extractor.sources import scan

    found = scan(images)
    total = len(found.entries)
    count = min(total, MOST_PHOTOS)
    chosen = [found.entries[number * total // count] for number in range(count)]
    paths = [os.path.join(os.fsencode(found.root), entry.path) for entry in chosen]
    files = tuple(data for data in map(_picture, paths) if data is not None)
    if not files:
        raise UsageError(f"none of {len(chosen)} files of '{images}' is a picture; give a folder with images in it")
    return Photos(files, len(chosen) - len(files), generated=False)


def _picture(path: bytes) -> bytes | None:
    """A file's bytes; None unless its header is that of a picture."""
    try:
        data = read_image_file(path).data
        open_header(data)
    except RejectedImage:
        return None
    return data


def generated_photos() -> Photos:
    """JPEGs of 500 x 375 pixels with the size in bytes of photographs."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    files = []
    for _ in range(8):
        coarse = Image.fromarray(rng.integers(0, 255, (75, 100, 3), dtype=np.uint8))
        buffer = io.BytesIO()
        coarse.resize((500, 375), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
        files.append(buffer.getvalue())
    return Photos(tuple(files), 0, generated=True)


def _megapixels(data: bytes) -> float:
    picture = open_header(data)
    return picture.width * picture.height / 1e6


def decode_rate(photos: Sequence[bytes], preprocess: Preprocess, seconds: float) -> float:
    """Images a second by a thread for each core; photos that cannot be decoded to their end count too."""
    return timing.repeated(lambda number: decode(photos[number % len(photos)], preprocess, Limits()), 0, seconds)
