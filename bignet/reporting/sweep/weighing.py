"""How the weights in the page pick a choice; the script computes the same."""

from __future__ import annotations

FORMULA = (
    "each of the three runs from 0 for the worst choice to 1 for the best, quality evenly, speed and bytes by their "
    "logarithm; the choice with the highest weighted mean is taken, of equals the better one."
)
