from types import SimpleNamespace

import numpy as np
import pytest

from bignet.extractor.forward import Passed
from bignet.extractor.partition import Embedder
from bignet.extractor.sources import Entry
from bignet.extractor.workers import Decoded, Refused
from bignet.images import Reason


class Pool:
    """Every file whose name starts with x is refused."""

    def outcomes(self, entries, _claims, ahead):
        assert ahead > 0
        for entry in entries:
            number = int(entry.path[1:])
            if entry.path.startswith(b"x"):
                yield Refused(entry, Reason.CORRUPT, "x")
            else:
                yield Decoded(entry, b"%d" % number, 1, 0, 1, 1, number)


class Seat:
    encoder = SimpleNamespace(specs=[SimpleNamespace(name="v", dims=1)])

    def __init__(self, sizes):
        self.sizes = sizes

    def run(self, squares):
        self.sizes.append(len(squares))
        vectors = np.array(squares, np.float32)[:, None]
        return Passed({"v": vectors}, np.ones(len(squares), bool), 0.0)


def embedded(names, n_seats, batch_size):
    sizes = []
    embedder = Embedder([Seat(sizes) for _ in range(n_seats)], Pool(), batch_size, lambda _number: None)
    (partition,) = embedder.embed([[Entry(name, 1, 1) for name in names]], None)
    return partition, sizes


@pytest.mark.parametrize(
    ("n_files", "n_seats", "batch_size", "expected"),
    [
        (1000, 2, 32, [32] * 30 + [20] * 2),
        (128, 2, 32, [32] * 4),
        (65, 2, 32, [32, 32, 1]),
        (5, 2, 32, [3, 2]),
        (9, 1, 4, [4, 4, 1]),
        (10, 3, 2, [2, 2, 2, 2, 2]),
        (1, 4, 8, [1]),
        (0, 2, 8, []),
    ],
)
def test_the_last_batches_are_as_many_for_each_seat(n_files, n_seats, batch_size, expected):
    partition, sizes = embedded([b"f%d" % number for number in range(n_files)], n_seats, batch_size)
    assert sorted(sizes, reverse=True) == expected
    assert partition.vectors["v"][:, 0].tolist() == list(range(n_files))
    assert [item.entry.path for item in partition.decoded] == [b"f%d" % number for number in range(n_files)]


@pytest.mark.parametrize("refused", [{0}, {61}, {3, 9, 17, 60, 62, 63, 64}, set(range(0, 70, 2)), set(range(70))])
def test_files_that_are_refused_lose_no_other(refused):
    names = [b"%c%d" % (b"x" if number in refused else b"f", number) for number in range(70)]
    partition, sizes = embedded(names, 2, 16)
    kept = [number for number in range(70) if number not in refused]
    assert partition.vectors["v"][:, 0].tolist() == kept
    assert [int(item.entry.path[1:]) for item in partition.refused] == sorted(refused)
    assert all(0 < size <= 16 for size in sizes)
    assert sum(sizes) == len(kept)
