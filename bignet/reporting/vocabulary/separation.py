"""Scores of similarities themselves: how far do classes stand apart?"""

from __future__ import annotations

from functools import partial

from bignet.reporting.vocabulary import definition
from bignet.reporting.vocabulary.definition import SEPARATION

Definition = partial(definition.Definition, family=SEPARATION)

WORDS = {
    "pair_auroc": Definition(
        "Pair AUROC",
        "how often two images of one class are more similar than two of different classes; 0.5 is chance",
        "P(same > different) + ½ P(tie), classes weighted equally",
        tile=5,
    ),
    "tar@far": Definition(
        "Match rate at {k} false",
        "share of same-class pairs above the threshold that lets {k} of different-class pairs through",
        "P(same ≥ t) with t the (1 − {k}) quantile of different-class similarities",
    ),
    "eer": Definition(
        "Equal error rate",
        "error of a threshold that misses as many pairs as it lets through",
        "share of same-class pairs below t = share of different-class pairs at or above t",
        low_is_good=True,
    ),
    "eer_threshold": Definition(
        "Threshold at equal error",
        "the similarity from which two images may be called the same",
        "the similarity t at which both errors of a pair are equal",
        unit_scale=False,
    ),
    "match_threshold": Definition(
        "Match threshold",
        "the similarity from which two images may be called the same, at the false-match rate asked for",
        "quantile of different-class similarities",
        unit_scale=False,
    ),
    "silhouette_cosine": Definition(
        "Silhouette (cosine)",
        "how much nearer the own class is than the next one, −1 to 1; below 0 is the wrong class",
        "(b − a) / max(a, b); a = mean distance within, b = to the nearest other class",
        unit_scale=False,
    ),
    "relative_contrast": Definition(
        "Relative contrast",
        "how many times farther a random image is than the nearest; near 1 the distances say little",
        "mean over images of the mean distance to all / mean distance to the nearest (He 2012)",
        unit_scale=False,
    ),
    "alignment": Definition(
        "Alignment",
        "mean squared distance of two images of one class",
        "mean |x − y|² over same-class pairs of unit vectors (Wang and Isola 2020)",
        unit_scale=False,
        low_is_good=True,
    ),
    "class_distance": Definition(
        "Class distance",
        "mean cosine distance between the images of two classes",
        "1 − S_a · S_b / (n_a n_b); within a class 1 − (|S_a|² − n_a) / (n_a (n_a − 1))",
        unit_scale=False,
    ),
    "class_margin": Definition(
        "Class margin",
        "distance to the nearest other class less the distance within; below 0 the other class is nearer",
        "min over b of D(c, b) − D(c, c), over classes b of two or more images",
        unit_scale=False,
    ),
    "cdnv": Definition(
        "CDNV",
        "spread of two classes over the gap between their centres, free of scale",
        "(V_a + V_b) / (2 |μ_a − μ_b|²), V = 1 − |μ|² (Galanti 2021)",
        unit_scale=False,
        low_is_good=True,
    ),
}
