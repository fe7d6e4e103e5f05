"""What the vectors look like whatever the labels say: spectrum, hubs and dimension."""

from __future__ import annotations

from functools import partial

from bignet.reporting.vocabulary import definition
from bignet.reporting.vocabulary.definition import GEOMETRY

Scaled = partial(definition.Definition, family=GEOMETRY, unit_scale=False)
Share = partial(definition.Definition, family=GEOMETRY, low_is_good=True)

WORDS = {
    "rankme": Scaled(
        "RankMe",
        "directions in use, counted smoothly; high is needed but proves nothing",
        "exp(−Σ p ln p), p = σ / Σσ + 1e-7 of the uncentred singular values (Garrido 2023)",
    ),
    "rankme_centered": Scaled(
        "RankMe, centred",
        "directions in use once the common mean is taken away",
        "exp(−Σ p ln p), p = σ / Σσ + 1e-7 of the centred singular values",
    ),
    "effective_rank_var": Scaled(
        "Effective rank",
        "directions that carry variance, counted smoothly",
        "exp of the entropy of the centred covariance's eigenvalues",
    ),
    "participation_ratio": Scaled(
        "Participation ratio",
        "directions that carry most of the variance",
        "(Σλ)² / Σλ² of the centred covariance's eigenvalues",
    ),
    "nesum": Scaled(
        "NESum",
        "total variance in units of the strongest direction's",
        "Σλ / λ₁ of the centred covariance's eigenvalues (He and Ozay 2022)",
    ),
    "stable_rank": Scaled(
        "Stable rank",
        "total energy in units of the strongest direction's, mean included",
        "Σσ² / σ₁² of the uncentred singular values",
    ),
    "alpha_req": Scaled(
        "α-ReQ",
        "how fast the spectrum falls; near 1 is claimed best",
        "slope of λ_i ~ i^−α on ranks 11 to 100, weighted 1/i (Agrawal 2022)",
    ),
    "uniformity": Scaled(
        "Uniformity",
        "how evenly vectors fill the sphere",
        "ln mean exp(−2 |x − y|²) over pairs of unit vectors (Wang and Isola 2020)",
        low_is_good=True,
    ),
    "mean_cos": Scaled(
        "Mean cosine",
        "similarity of two random images; near 1 all vectors share one direction: centre them first",
        "(|Σx|² − N) / (N (N − 1)) of unit vectors",
        low_is_good=True,
    ),
    "mean_cos_centered": Scaled(
        "Mean cosine, centred",
        "similarity of two random images once the common mean is taken away",
        "the same of centred vectors",
    ),
    "lidar": Scaled(
        "LiDAR",
        "directions that tell images apart from their own views",
        "exp entropy of the eigenvalues of Sw^−½ Sb Sw^−½ (Thilak 2023)",
    ),
    "dead_dimensions": Scaled(
        "Dead dimensions", "dimensions that never change", "dimensions whose variance is below 1e-12", low_is_good=True
    ),
    "zero_share": Share("Share of zeros", "numbers in the vectors that are exactly zero", "zeros / (N D)"),
    "hub_skew": Scaled(
        "Hub skewness",
        "how uneven it is who appears in others' lists; above 1.5 a few images crowd the lists",
        "skewness of N_k, the number of lists of k an image is in",
        low_is_good=True,
    ),
    "robin_hood": Share(
        "Robin Hood index",
        "share of places that would have to move for all to be in k lists",
        "½ Σ|N_k − k| / (n k)",
    ),
    "antihub_rate": Share("Never found", "share of images that are in nobody's list", "share with N_k = 0"),
    "hub_occupancy": Share(
        "Held by hubs", "share of places held by images in twice the usual number of lists", "places of N_k ≥ 2k / all"
    ),
    "hub_max": Scaled("Largest hub", "lists that the most popular image is in", "max N_k", low_is_good=True),
    "twonn": Scaled(
        "Intrinsic dimension (TwoNN)",
        "directions the data varies in around a point",
        "slope through 0 of −ln(1 − F) on ln(r₂/r₁), the top 10 % left out (Facco 2017)",
    ),
    "lid_mle": Scaled(
        "Intrinsic dimension (MLE)",
        "the same from k neighbours; far above TwoNN there are too few images",
        "harmonic mean of (mean over j < k of ln(r_k / r_j))⁻¹ (Levina and Bickel 2005)",
    ),
}
