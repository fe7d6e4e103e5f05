"""What each metric is called, says and computes: the words of the scorecard and the methods."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from bignet.reporting.vocabulary import clusters, geometry, hierarchy, retrieval, separation, sweep
from bignet.reporting.vocabulary.definition import CLUSTERS, GEOMETRY, HIERARCHY, RETRIEVAL, SEPARATION, Definition

if TYPE_CHECKING:
    from bignet.evaluate.result import Metric

FAMILIES = {
    RETRIEVAL: "Retrieval: are the nearest images right?",
    SEPARATION: "Separation: do classes stand apart?",
    HIERARCHY: "Mistakes: who is taken for whom, how far off?",
    GEOMETRY: "Geometry: what do the vectors look like, labels aside?",
    CLUSTERS: "Clusters: what groups form without labels?",
}
OTHER = "other"
VOCABULARY = retrieval.WORDS | separation.WORDS | hierarchy.WORDS | geometry.WORDS | clusters.WORDS | sweep.WORDS
_SAME = {
    "precision@k": "p@k",
    "ap": "map",
    "dead_dims": "dead_dimensions",
    "lid": "lid_mle",
    "severity": "mistake_severity",
    "simplified_silhouette": "silhouette_simplified",
    "silhouette": "silhouette_cosine",
    "cluster_stability": "stability",
    "cluster_noise": "noise_share",
}
_QUALIFIERS = re.compile(r"^(?P<base>.*?)(?P<words>(?:\.[a-z_]+)*)$")
_LEVEL = re.compile(r"@level(\d+)")
_FALSE_RATE = re.compile(r"^tar@(?:far)?=?(?P<rate>[\d.e-]+)$")
_WITH_K = re.compile(r"@(\d+)")
_SAID = {
    "nogroups": "groups not kept apart",
    "noise_dropped": "noise dropped",
    "noise_as_cluster": "noise as one cluster",
    "with_noise": "noise as one cluster",
}


def define(metric: Metric) -> Definition:
    """The words for a metric; an unknown one is named by its id."""
    whole, level = _without_level(metric.id.lower())
    key, k, words = _resolve(whole, metric.k)
    known = VOCABULARY.get(key)
    if known is None:
        inside = metric.value is None or 0 <= metric.value <= 1
        return Definition(metric.id, "", "", family=OTHER, unit_scale=inside)
    filled = replace(known, **{part: getattr(known, part).replace("{k}", k) for part in ("name", "meaning", "formula")})
    return _qualified(_at_level(filled, level), words)


def _without_level(text: str) -> tuple[str, str | None]:
    found = _LEVEL.search(text)
    return (text, None) if found is None else (text.replace(found.group(0), ""), found.group(1))


def _resolve(text: str, k: int | None) -> tuple[str, str, list[str]]:
    """An id -> its key in the vocabulary, its depth as text, and the words after it."""
    underscored = text.replace(".", "_")
    if underscored in VOCABULARY:
        return underscored, str(k), []
    found = _QUALIFIERS.match(text)
    base, words = (found["base"], found["words"].split(".")[1:]) if found else (text, [])
    rate = _FALSE_RATE.match(base)
    if rate:
        return "tar@far", rate["rate"], words
    depth = _WITH_K.search(base)
    general = _WITH_K.sub("@k", base)
    key = next((name for name in (base, general) if name in VOCABULARY), _SAME.get(general, general))
    return key, depth.group(1) if depth else str(k) if k is not None else "k", words


def _at_level(definition: Definition, level: str | None) -> Definition:
    if level is None:
        return definition
    meaning = f"{definition.meaning}; only the first {level} parts of the labels count"
    return replace(definition, name=f"{definition.name}, level {level}", meaning=meaning, family=HIERARCHY, tile=0)


def _qualified(definition: Definition, words: list[str]) -> Definition:
    for word in words:
        if word == "macro":
            formula = f"{definition.formula}; mean of the classes' means"
            definition = replace(definition, name=f"macro {definition.name}", formula=formula)
        else:
            tile = 0 if word == "nogroups" else definition.tile
            definition = replace(definition, name=f"{definition.name}, {_SAID.get(word, word)}", tile=tile)
    return definition
