"""How alike the layers of each model are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate.intervals import DECIMALS
from bignet.evaluate.sweep.overlap import FEWEST_ROWS, cka_matrix
from bignet.evaluate.sweep.result import CKA_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.sweep.intake import Intake, Reader
    from bignet.evaluate.sweep.result import Choice

    Layers = tuple[tuple[str, ...], NDArray[np.float64]]

POOL = "gap"


def layers_alike(intake: Intake, reader: Reader, seed: int, told: Callable[[int, int], None]) -> dict[str, Layers]:
    """Model -> its layers in order and the (L, L) unbiased linear CKA of their pooled vectors, as they come.

    Models without such a vector are left out, as is everything below 4 images.
    """
    n = len(intake.positions)
    if n < FEWEST_ROWS:
        return {}
    rng = np.random.default_rng([seed, 6])
    drawn = intake.positions[np.sort(rng.choice(n, min(n, CKA_ROWS), replace=False))]
    models = _models(intake.choices)
    found: dict[str, Layers] = {}
    for number, (model, choices) in enumerate(models.items()):
        several = [reader.rows(choice, drawn).stored(np.arange(len(drawn))) for choice in choices]
        found[model] = tuple(choice.layer for choice in choices), np.round(cka_matrix(several), DECIMALS)
        told(number + 1, len(models))
    return found


def _models(choices: Sequence[Choice]) -> dict[str, list[Choice]]:
    """Model -> its choices that stand for a layer, one each; with the weights in the name where it has several."""
    pooled = [choice for choice in choices if choice.pool == POOL and not choice.steps]
    weights: dict[str, set[str]] = {}
    for choice in pooled:
        weights.setdefault(choice.model, set()).add(choice.weights)
    found: dict[str, list[Choice]] = {}
    for choice in pooled:
        several = len(weights[choice.model]) > 1
        found.setdefault(f"{choice.model} ({choice.weights})" if several else choice.model, []).append(choice)
    return found
