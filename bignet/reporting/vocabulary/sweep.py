"""Scores that only a sweep has: what stays when images or vectors are altered."""

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
        "Overlap stability",
        "how many neighbours stay when half of the dimensions are taken away",
        "share of the k nearest by one random half of the dimensions that the other half names too, averaged over cuts",
    ),
    "margin": definition.Definition(
        "Mean class margin",
        "distance to the nearest other class less the distance within, averaged over classes",
        "mean over c of (min over b of D(c, b) − D(c, c))",
        family=SEPARATION,
        unit_scale=False,
    ),
}
