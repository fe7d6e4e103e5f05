"""Rates are measured on real work, and the advice follows from them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bignet.doctor import speed
from bignet.doctor.speed import Speed, bottleneck
from bignet.errors import UsageError
from bignet.extractor import encoder
from tests.cli.conftest import draw

if TYPE_CHECKING:
    from pathlib import Path

EVEN = Speed(
    photos=8,
    refused=0,
    generated=True,
    megapixels=0.2,
    cores=2,
    decode=100.0,
    model="resnet18",
    device="cpu",
    precision="fp32",
    forward=100.0,
)


def test_on_shared_cores_the_times_add_up_and_beside_a_gpu_the_slower_one_counts() -> None:
    assert EVEN.expected == pytest.approx(50.0)
    assert replace(EVEN, device="cuda", forward=5000.0).expected == pytest.approx(100.0)


def test_a_slow_network_is_named_with_networks_that_are_smaller_than_itself() -> None:
    found, advice = bottleneck(replace(EVEN, forward=10.0))

    assert found == "the network is the bottleneck: 91% of the work"
    assert "GPU" in advice
    assert "resnet18" not in advice


def test_a_slow_network_on_a_gpu_is_not_told_to_get_one() -> None:
    _, advice = bottleneck(replace(EVEN, forward=10.0, device="cuda"))

    assert "GPU" not in advice
    assert "--batch-size" in advice


def test_slow_decoding_of_camera_photos_is_answered_with_the_fast_decoder() -> None:
    found, advice = bottleneck(replace(EVEN, decode=10.0, megapixels=12.0))

    assert found.startswith("decoding is the bottleneck")
    assert "--decode auto" in advice
    assert "--decode auto" not in bottleneck(replace(EVEN, decode=10.0))[1]


def test_neither_is_blamed_when_both_take_as_long() -> None:
    assert "about as long" in bottleneck(EVEN)[0]


def test_photos_are_spread_over_the_folder_and_other_files_counted(tmp_path: Path) -> None:
    for number in range(130):
        draw(tmp_path / f"{number:03d}.png", number % 5, size=(8, 8))
    (tmp_path / "0.txt").write_text("no picture")

    photos = speed.photos_of(str(tmp_path))

    assert (len(photos.files), photos.refused, photos.generated) == (63, 1, False)


def test_a_folder_without_pictures_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="none of 0 files"):
        speed.photos_of(str(tmp_path))
    (tmp_path / "notes.md").write_text("no picture")
    with pytest.raises(UsageError, match="none of 1 files"):
        speed.photos_of(str(tmp_path))


def test_decoding_is_measured_even_if_a_photo_is_cut_short() -> None:
    photos = speed.generated_photos()
    built = encoder.build("tests.tiny:build", "random:0")
    cut = (*photos.files, photos.files[0][:2000])

    assert speed.decode_rate(cut, built.spec.preprocess, seconds=0.1) > 0
