"""Scores of the ranked lists: is what was found right?"""

from __future__ import annotations

from bignet.reporting.vocabulary.definition import Definition

WORDS = {
    "map@r": Definition(
        "MAP@R",
        "strict: of as many neighbours as the class has other images, how many are right, early ones counting more",
        "(1/R) Σ over r ≤ R of precision@r · [neighbour r is relevant]; R = relevant images of the query",
        tile=1,
    ),
    "p@1": Definition(
        "P@1",
        "share of images whose nearest image shows the same class",
        "1 if the nearest image has the query's label, else 0",
        tile=2,
    ),
    "p@k": Definition(
        "P@{k}",
        "share of the {k} nearest that show the same class",
        "relevant among the {k} nearest / {k}",
        tile=3,
    ),
    "p@k/tie-mean": Definition(
        "P@{k}, ties in any order",
        "P@{k} as a mean over all orders of equally similar images, of which the row order is only one",
        "(h + t_rel ({k} − m) / t) / {k}; m nearer than place {k}, h of them relevant, t tied there, t_rel relevant",
    ),
    "r_precision": Definition(
        "R-precision",
        "share of the R nearest that show the same class, R being as many as exist",
        "relevant among the R nearest / R",
        tile=4,
    ),
    "hit@k": Definition(
        "Hit@{k}",
        "share of images with at least one right answer among the {k} nearest (papers: Recall@{k})",
        "1 if any of the {k} nearest is relevant, else 0",
        tile=7,
    ),
    "recall@k": Definition(
        "Recall@{k}",
        "share of all images of the class found in the {k} nearest",
        "relevant among the {k} nearest / R",
    ),
    "map": Definition(
        "mAP",
        "how early the right images come in the full ranking",
        "(1/R) Σ over all ranks of precision@r · [neighbour r is relevant]",
    ),
    "map@k/minrk": Definition(
        "MAP@{k}/min(R,k)",
        "how early the right images come among the {k} nearest",
        "(1/min(R, {k})) Σ over r ≤ {k} of precision@r · [neighbour r is relevant]",
    ),
    "mrr": Definition(
        "MRR",
        "one over the place of the first right image",
        "mean of 1 / rank of the first relevant image, over the full ranking",
    ),
    "mrr@k": Definition(
        "MRR@{k}",
        "one over the place of the first right image, 0 beyond place {k}",
        "mean of 1 / rank of the first relevant image, 0 if it is not among the {k} nearest",
    ),
    "ndcg@k": Definition(
        "nDCG@{k}",
        "gain of the {k} nearest, early places and closer labels counting more",
        "Σ over r ≤ {k} of gain(r) / log2(1 + r), over the best possible sum; gain = shared parts of the label path",
    ),
    "knn_acc": Definition(
        "k-NN accuracy",
        "share of images whose class their neighbours vote for",
        "label with the largest Σ exp(similarity / T) over the k nearest; k = 20, T = 0.07 unless stated",
        tile=6,
    ),
    "ncc_acc": Definition(
        "Centroid accuracy",
        "share of images nearest to the centre of their own class",
        "nearest class mean, the image's own vector taken out of its class",
        tile=8,
    ),
    "tie_rate@k": Definition(
        "Ties@{k}",
        "share of lists of {k} whose end is decided by row order",
        "queries whose neighbours {k} and {k} + 1 are equally similar / queries",
        low_is_good=True,
    ),
    "leak_rate": Definition(
        "Leak rate",
        "share of the images asked whose very vector is in the gallery too (mode split)",
        "images asked with an equal vector among those that can be found / images asked",
        low_is_good=True,
    ),
}
