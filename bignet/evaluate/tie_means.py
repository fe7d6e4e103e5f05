"""Scores as means over all orders of equally similar neighbours: what ties leave open, as numbers of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bignet.evaluate.summary import TIES_MATTER

if TYPE_CHECKING:
    from bignet.evaluate.scores import Scored

TIE_MEAN = "/tie-mean"


def with_tie_means(scored: Scored) -> Scored:
    """Adds ``p@k/tie-mean`` beside each ``p@k`` where more than 1 % of the queries have a tie at place k.

    Its values are those of ``retrieval.expected_precision_at_k``. Chance is that of ``p@k``: a blind order does not
    care who is tied.
    """
    tied = [name for name in scored.tied if scored.tie_rate.get(name, 0.0) > TIES_MATTER]
    values = {f"{name}{TIE_MEAN}": scored.tied[name] for name in tied}
    chance = {f"{name}{TIE_MEAN}": scored.chance[name] for name in tied}
    return replace(scored, values={**values, **scored.values}, chance={**chance, **scored.chance})
