"""Words for the numbers of the geometry and of the clusters, which no score card explains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bignet.reporting.definitions import Definition, define

if TYPE_CHECKING:
    from bignet.evaluate.result import Metric

_WORDS = {
    "rankme": ("RankMe", "dimensions used, the common mean among them; entropy of the singular values"),
    "rankme_centered": ("RankMe, centred", "the same without the common mean"),
    "effective_rank_var": ("Effective rank", "dimensions used; entropy of the variances"),
    "participation_ratio": ("Participation ratio", "dimensions used, large ones counting more"),
    "nesum": ("NESum", "total variance over the largest direction's"),
    "stable_rank": ("Stable rank", "the same with the common mean left in"),
    "alpha_req": ("Alpha-ReQ", "how steeply the spectrum falls; near 1 is claimed to be best"),
    "uniformity": ("Uniformity", "how evenly vectors fill the sphere; lower is more even"),
    "mean_cos": ("Mean cosine", "of any two images; near 1 all vectors share one direction"),
    "mean_cos_centered": ("Mean cosine, centred", "the same after centring; 0 by construction"),
    "lidar": ("LiDAR", "dimensions that tell objects apart from their own views"),
    "hub_skew": ("Hub skew", "lopsidedness of how many lists an image is in"),
    "robin_hood": ("Robin Hood index", "share of places to move for all images to be in equally many lists"),
    "antihub_rate": ("Never listed", "share of images in nobody's list"),
    "hub_occupancy": ("Places held by hubs", "share of places of images in twice as many lists as average"),
    "hub_max": ("Largest hub", "share of the lists that one image is in"),
    "twonn": ("TwoNN", "directions in which the data varies, from the two nearest of each image"),
    "lid_mle": ("Local dimension", "the same from more neighbours, over all images"),
    "homogeneity": ("Homogeneity", "how far each cluster holds one label"),
    "completeness": ("Completeness", "how far each label is in one cluster"),
    "v_measure": ("V-measure", "both together, which is NMI"),
    "ari": ("ARI", "agreement of clusters and labels over pairs, 0 by chance"),
    "ami": ("AMI", "mutual information over chance"),
    "stability": ("Stability", "agreement of clusterings of disjoint halves on images neither saw"),
    "purity": ("Purity", "share of images with their cluster's label; always rises with k"),
}


def words_of(metric: Metric) -> Definition:
    """The words for a metric: the score card's, else these, else its id."""
    known = _WORDS.get(metric.id.lower().partition("@")[0])
    if known is None:
        return define(metric)
    return Definition(known[0], known[1], "")
