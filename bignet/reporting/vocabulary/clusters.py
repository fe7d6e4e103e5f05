"""Scores of groups found without labels: are they stable, and do they agree with the labels?"""

from __future__ import annotations

from functools import partial

from bignet.reporting.vocabulary import definition
from bignet.reporting.vocabulary.definition import CLUSTERS

Definition = partial(definition.Definition, family=CLUSTERS)

WORDS = {
    "v_measure": Definition(
        "V-measure",
        "agreement of clusters and labels, 0 to 1",
        "harmonic mean of homogeneity and completeness (= NMI)",
        tile=9,
    ),
    "homogeneity": Definition(
        "Homogeneity",
        "how far a cluster holds one class only",
        "1 − H(label | cluster) / H(label)",
    ),
    "completeness": Definition(
        "Completeness",
        "how far a class lies in one cluster only",
        "1 − H(cluster | label) / H(cluster)",
    ),
    "ari": Definition(
        "ARI",
        "agreement on which pairs belong together, 0 by chance",
        "adjusted Rand index (Hubert and Arabie 1985)",
        unit_scale=False,
    ),
    "ami": Definition(
        "AMI", "shared information, 0 by chance", "adjusted mutual information (Vinh 2010)", unit_scale=False
    ),
    "purity": Definition(
        "Cluster purity",
        "share of images whose label is the commonest of their cluster; rises with the number of clusters",
        "Σ over clusters of the largest label count / N",
    ),
    "stability": Definition(
        "Cluster stability",
        "do two halves of the images give the same clusters?",
        "mean ARI of two clusterings fitted on disjoint halves, on a third that neither saw",
        unit_scale=False,
    ),
    "silhouette_simplified": Definition(
        "Simplified silhouette",
        "how much nearer the own centre is than the next; favours few clusters",
        "(b − a) / max(a, b); a, b = distance to the own and the next centre",
        unit_scale=False,
    ),
    "noise_share": Definition(
        "Noise", "share of images in no cluster", "images without a cluster / all", low_is_good=True
    ),
    "n_clusters": Definition("Clusters", "how many clusters were found", "count", unit_scale=False),
}
