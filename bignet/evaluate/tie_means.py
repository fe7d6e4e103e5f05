"""Scores as means over all orders of equally similar neighbours: what ties leave open, as numbers of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Container

    from bignet.evaluate.scores import Scored

TIE_MEAN = "/tie-mean"
TIES_MATTER = 0.01  # share of queries


def with_tie_means(scored: Scored) -> Scored:
    """Adds ``p@k/tie-mean`` beside each ``p@k`` where more than 1 % of the queries have a tie at place k.

    Its values are those of ``retrieval.expected_precision_at_k``. Chance is that of ``p@k``: a blind order does not
    care who is tied.
    """
    tied = [name for name in scored.tied if scored.tie_rate.get(name, 0.0) > TIES_MATTER]
    values = {f"{name}{TIE_MEAN}": scored.tied[name] for name in tied}
    chance = {f"{name}{TIE_MEAN}": scored.chance[name] for name in tied}
    return replace(scored, values={**scored.values, **values}, chance={**scored.chance, **chance})


def beside(names: Collection[str], known: Container[str]) -> list[str]:
    """Names of scores -> the same, each with its mean over orders of ties, where that is known, right after it."""
    means = {f"{name}{TIE_MEAN}" for name in names}
    pairs = ((name, f"{name}{TIE_MEAN}") for name in names if name not in means)
    return [item for name, mean in pairs for item in (name, mean) if item == name or item in known]
