import numpy as np
import pytest
import torch

from bignet.errors import ResourceError
from bignet.extractor import encoder
from bignet.extractor.forward import Seat
from bignet.extractor.settings import Form
from bignet.spec import Preprocess
from tests.extractor.networks import Half


def half():
    return Half()


half.preprocess = Preprocess(36, 32, "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@pytest.fixture(autouse=True)
def _room(monkeypatch):
    monkeypatch.setattr(Half, "fits", 2)
    monkeypatch.setattr(Half, "error", RuntimeError)


def squares(number, views=1):
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (number, views, 32, 32, 3), dtype=torch.uint8, generator=generator)
    return list(pixels.permute(0, 1, 4, 2, 3))


def built(**form):
    return encoder.build(
        "tests.extractor.test_forward:half", "random:0", ("conv",), ("gap", "max"), "cpu", Form(**form)
    )


@pytest.mark.parametrize("error", [RuntimeError, MemoryError, torch.OutOfMemoryError])
@pytest.mark.parametrize("fits", [1, 2, 3])
def test_batches_halve_until_they_fit_and_the_vectors_are_the_same(monkeypatch, error, fits):
    monkeypatch.setattr(Half, "fits", 100)
    whole = Seat(built()).run(squares(7)).vectors
    monkeypatch.setattr(Half, "fits", fits)
    monkeypatch.setattr(Half, "error", error)
    passed = Seat(built()).run(squares(7))
    assert passed.usable.all()
    for name, vectors in passed.vectors.items():
        np.testing.assert_allclose(vectors, whole[name], rtol=1e-5)


def test_what_fitted_once_is_where_the_next_batch_starts():
    seat = Seat(built())
    sizes = []
    encode = seat.encoder.encode
    seat.encoder.encode = lambda batch: (sizes.append(len(batch)), encode(batch))[1]
    seat.run(squares(8))
    seat.run(squares(8))
    assert sizes == [8, 4, 2, 2, 2, 2, 2, 2, 2, 2]


def test_a_single_image_that_does_not_fit_is_an_error_of_the_machine(monkeypatch):
    seat = Seat(built())
    monkeypatch.setattr(Half, "fits", 0)
    with pytest.raises(ResourceError, match="single image on cpu; free some"):
        seat.run(squares(3))


def test_other_errors_are_not_taken_for_a_lack_of_memory(monkeypatch):
    seat = Seat(built())

    def broken(_batch):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(seat.encoder, "encode", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        seat.run(squares(3))


def test_views_are_averaged(monkeypatch):
    monkeypatch.setattr(Half, "fits", 100)
    seat = Seat(built(views="flip"))
    pictures = squares(3, views=2)
    both = seat.run(pictures).vectors["conv.gap"]
    each = [seat.encoder.encode(torch.stack([picture[view] for picture in pictures]))["conv.gap"] for view in (0, 1)]
    np.testing.assert_allclose(both, (each[0] + each[1]) / 2, rtol=1e-5)


def test_a_vector_too_large_for_what_it_is_stored_as_is_not_usable(monkeypatch):
    for storage, usable in (("float32", [True, True]), ("float16", [True, False])):
        seat = Seat(built(storage=storage))
        found = {name: np.ones((2, 6), np.float32) for name in ("conv.gap", "conv.max")}
        found["conv.max"][1, 0] = 70_000
        monkeypatch.setattr(seat.encoder, "encode", lambda _batch, found=found: found)
        assert seat.run(squares(2)).usable.tolist() == usable


@pytest.mark.parametrize(
    ("storage", "row", "usable"),
    [
        ("float32", [0, 0, 0], False),
        ("float32", [0, 1e-30, 0], True),  # its square is 0
        ("float32", [1e30, 0, 1], True),  # its square is infinite
        ("float32", [np.nan, 1, 1], False),
        ("float32", [np.inf, 1, 1], False),
        ("float32", [-np.inf, np.nan, 1], False),
        ("float16", [1e-9, 1e-9, 0], False),  # 0 as stored
        ("float16", [1e-6, 0, 0], True),
        ("float16", [65_504, 65_504, 65_504], True),
        ("float16", [65_600, 0, 0], False),
        ("float16", [np.nan, 1, 1], False),
    ],
)
def test_a_vector_is_usable_exactly_if_it_is_finite_and_not_zero_as_stored(monkeypatch, storage, row, usable):
    seat = Seat(built(storage=storage))
    found = {"conv.gap": np.ones((2, 3), np.float32), "conv.max": np.array([[1, 2, 3], row], np.float32)}
    monkeypatch.setattr(seat.encoder, "encode", lambda _batch: found)
    assert seat.run(squares(2)).usable.tolist() == [True, usable]
