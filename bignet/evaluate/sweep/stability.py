"""How far choices agree on who is whose neighbour: what speaks for one of them where there are no labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate.sweep.overlap import overlap_at_k

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.sweep.result import Choice

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    _Sums = dict[str | None, tuple[Floats, int]]

MOST_QUERIES = 500  # every two choices are compared on so many images


def drawn_queries(n: int, seed: int) -> Ints:
    """N images -> positions of those whose lists are compared, ascending."""
    rng = np.random.default_rng([seed, 5])
    return np.sort(rng.choice(n, min(n, MOST_QUERIES), replace=False))


def stabilities(choices: Sequence[Choice], lists: Sequence[NDArray[np.int32]], k: int) -> list[Floats | None]:
    """Choices and their (Q, K) neighbours of the same queries -> (Q,) each, the mean overlap@k with other choices.

    Neighbours that other layers and other networks name too hang on what the images show, and not on the accidents of
    one layer. Choices of the same layer of the same network are left out, unless there are no others: another pool of
    the same map is bound to agree. Every network counts the same, however many of its layers were tried. None where
    there is no other choice.
    """
    sums: list[_Sums] = [{} for _ in choices]
    for i, one in enumerate(choices):
        for j, other in enumerate(choices[:i]):
            overlap = overlap_at_k(lists[i], lists[j], k)
            same = (one.store, one.layer) == (other.store, other.layer)
            _add(sums[i], None if same else other.store, overlap)
            _add(sums[j], None if same else one.store, overlap)
    return [_mean(one) for one in sums]


def _add(sums: _Sums, network: str | None, overlap: Floats) -> None:
    """To the sum of a network; None = of the own layer."""
    total, n = sums.get(network, (np.zeros(len(overlap)), 0))
    sums[network] = total + overlap, n + 1


def _mean(sums: _Sums) -> Floats | None:
    others = [total / n for network, (total, n) in sums.items() if network is not None]
    means = others or [total / n for total, n in sums.values()]
    return np.asarray(np.mean(means, axis=0)) if means else None
