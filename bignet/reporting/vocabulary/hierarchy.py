"""Scores of the mistakes: who is taken for whom, and how far off is it?"""

from __future__ import annotations

from functools import partial

from bignet.reporting.vocabulary import definition
from bignet.reporting.vocabulary.definition import HIERARCHY

Definition = partial(definition.Definition, family=HIERARCHY)

WORDS = {
    "neighbour_purity@k": Definition(
        "Neighbour purity@{k}",
        "share of all places in the lists of {k} that are held by the own class",
        "same-class places / all places of labelled neighbours",
    ),
    "plausible_fp": Definition(
        "Plausible mistakes",
        "share of wrong first neighbours that stay inside the parent class",
        "wrong first neighbours with the same parent / wrong first neighbours",
    ),
    "plausible_fp_lift": Definition(
        "Plausible mistakes, lift",
        "how many times more often than by chance a mistake stays inside the parent class",
        "plausible mistakes / ((N_parent − N_leaf) / (N − N_leaf))",
        unit_scale=False,
    ),
    "human_plausible": Definition(
        "Plausible to a person",
        "share of the wrong neighbours judged by hand that a person would accept",
        "marked plausible / (marked plausible + marked implausible), Wilson interval; wrong labels are no mistakes",
    ),
    "mistake_severity": Definition(
        "Mistake severity",
        "how many levels up a wrong first neighbour meets the right class",
        "mean height of the lowest common ancestor over wrong first neighbours (Bertinetto 2020)",
        unit_scale=False,
        low_is_good=True,
    ),
    "hp": Definition(
        "hP, hierarchical precision",
        "share of the first neighbour's label path that is right",
        "|ancestors(found) ∩ ancestors(true)| / |ancestors(found)|",
    ),
    "hr": Definition(
        "hR, hierarchical recall",
        "share of the image's own label path that the first neighbour has",
        "|ancestors(found) ∩ ancestors(true)| / |ancestors(true)|",
    ),
    "hf": Definition("hF", "hierarchical precision and recall in one", "2 hP hR / (hP + hR)"),
    "hprec@k": Definition(
        "Hierarchical precision@{k}",
        "how close the labels of the {k} nearest are to the right one",
        "Σ over r ≤ {k} of Wu-Palmer similarity / the best possible sum (Deng 2011)",
    ),
    "ahp@k": Definition(
        "AHP@{k}",
        "hierarchical precision averaged over all depths up to {k}",
        "area under hierarchical precision from 1 to {k} (Barz and Denzler 2019)",
    ),
}
