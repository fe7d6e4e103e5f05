"""Scores that only a sweep has: what stays when images are altered, and what choices agree on."""

from __future__ import annotations

from functools import partial

from bignet.reporting.vocabulary import definition
from bignet.reporting.vocabulary.definition import GEOMETRY, SEPARATION

Robust = partial(definition.Definition, family=GEOMETRY)

WORDS = {
    "self_hit@k": Robust(
        "self-hit@{k}",
        "share of altered copies, turned, scaled, blurred or compressed, whose nearest original is their own",
        "mean over kinds of the mean over a kind's strengths of [the nearest of all originals is x], for copies T(x)",
    ),
    "overlap_stability": Robust(
        "Agreement of neighbours",
        "how far other layers and networks name the same neighbours",
        "mean overlap of the k nearest with those by the other choices, every network counting the same",
    ),
    "margin": definition.Definition(
        "Mean class margin",
        "distance to the nearest other class less the distance within, averaged over classes",
        "mean over c of (min over b of D(c, b) − D(c, c))",
        family=SEPARATION,
        unit_scale=False,
    ),
}
