"""How far the means of a table of scores move with other images, and with other groups or classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate.jackknife import Spread, jackknife, of_queries, without_pairs
from bignet.evaluate.widening import Widening

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.evaluate.influence import Influence
    from bignet.evaluate.scores import Scored

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

STAND_INS = {"map": "map@r"}  # widened as another score where its own influences would need whole rankings


class Spreads:
    """Spreads of means, from the influences of the images.

    Args:
        scored: by query.
        codes: (N,) classes, -1 = unlabelled.
        level: coverage of the intervals.
    """

    def __init__(self, scored: Scored, codes: Ints, level: float) -> None:
        self._scored, self._codes, self.level = scored, codes, level
        self._widenings: dict[str, tuple[Widening, Widening]] = {}
        self._by_class: dict[str, tuple[Floats, Floats, Floats]] = {}
        self._influence: tuple[str, Influence] | None = None

    def source(self, name: str) -> str | None:
        """The score whose influences a score's ends are moved out by; None = nothing is known of the gallery's part."""
        influences = self._scored.influences
        known = () if influences is None else influences.names()
        return next((item for item in (name, STAND_INS.get(name)) if item in known), None)

    def widening(self, name: str, *, by_class: bool) -> Widening | None:
        """Of the mean over queries, or of that of class means."""
        source = self.source(name)
        if source is None:
            return None
        if name not in self._widenings:
            self._widenings[name] = self._both(name) if name == source else self._as(name, source)
        return self._widenings[name][by_class]

    def of_class(self, name: str, code: int) -> Widening | None:
        """Of the mean of one class: its images as queries and for one another, not what other classes' images do."""
        if self.source(name) != name:
            return None
        if name not in self._by_class:
            own = self.influence(name).own
            own = np.where(np.isnan(own), 0.0, own)
            (whole, freedom), (queries, _) = self._class_errors(own), self._class_errors(self._within(name))
            once = whole**2 - self.influence(name).own_pairs
            self._by_class[name] = np.sqrt(np.maximum(once, queries**2)), queries, freedom
        whole, queries, freedom = self._by_class[name]
        free = float(freedom[code])
        return Widening(Spread(float(queries[code]), free), Spread(float(whole[code]), free), self.level)

    def _class_errors(self, influences: Floats) -> tuple[Floats, Floats]:
        """(N,) influences on the mean of the own class -> (C,) standard errors and degrees of freedom."""
        labelled = self._codes >= 0
        codes, values = self._codes[labelled], influences[labelled]
        n = np.maximum(np.bincount(codes), 1)
        mean = np.bincount(codes, weights=values) / n
        square = np.bincount(codes, weights=(values - mean[codes]) ** 2)
        return np.sqrt(square * (n - 1) / n), np.maximum(n - 1.0, 1.0)

    def _within(self, name: str) -> Floats:
        """(N,) what the mean of the own class loses without the query alone."""
        scores = self._scores(name)
        known = ~np.isnan(scores)
        _, place, sizes = np.unique(self._codes[known], return_inverse=True, return_counts=True)
        values, found = scores[known], np.zeros(len(scores))
        mean = np.bincount(place, weights=values) / sizes
        found[known] = (values - mean[place]) / np.maximum(sizes[place] - 1, 1)
        return found

    def of_clusters(self, name: str, clusters: Ints, *, by_class: bool, whole_classes: bool) -> Widening | None:
        """Of a mean over (N,) clusters of images; ``whole_classes`` = the clusters are the classes.

        The influence of a cluster is the sum of its images'. A class that is gone does nothing any more to its own
        queries; any other cluster's images do.
        """
        if self.source(name) != name:
            return None
        influence, queries = self.influence(name), self._as_queries(name, by_class=by_class)
        other = influence.macro_other if by_class else influence.micro_other
        part = other
        if not whole_classes:
            alone = of_queries(self._scores(name), self._codes, by_class=by_class).influences
            whole = influence.macro if by_class else influence.micro
            emptied = np.isnan(influence.own) & by_class
            part = np.where(emptied, other, whole - alone)
        place = np.unique(clusters, return_inverse=True)[1]
        sums = np.bincount(place, weights=queries), np.bincount(place, weights=queries + part)
        n = len(sums[0])
        few, many = (Spread(float(np.sqrt(((s - s.mean()) ** 2).sum() * n / max(1, n - 1))), n - 1.0) for s in sums)
        return Widening(few, many, self.level)

    def influences(self, name: str) -> tuple[Floats, Floats]:
        """(N,) on the mean over queries and on that of class means; of the queries alone of a sample."""
        scores, found = self._scores(name), []
        for by_class in (False, True):
            queries = of_queries(scores, self._codes, by_class=by_class).influences
            if self.source(name) == name:
                influence = self.influence(name)
                whole = influence.macro if by_class else influence.micro
                queries = without_pairs(queries, whole, influence.pairs[by_class], self._codes, by_class=by_class)
            found.append(queries)
        return found[0], found[1]

    def influence(self, name: str) -> Influence:
        """Of the images on one score; the last asked for is kept."""
        influences = self._scored.influences
        if self._influence is None or self._influence[0] != name:
            self._influence = None
            if influences is None:
                raise KeyError(name)
            self._influence = name, influences.of(name, self._scored.values[name])
        return self._influence[1]

    def _both(self, name: str) -> tuple[Widening, Widening]:
        scores, found = self._scores(name), []
        for by_class, values in zip((False, True), self.influences(name), strict=True):
            queries = of_queries(scores, self._codes, by_class=by_class).spread()
            found.append(Widening(queries, jackknife(values, self._codes, by_class=by_class), self.level))
        return found[0], found[1]

    def _as(self, name: str, source: str) -> tuple[Widening, Widening]:
        """The queries' spread, larger as that of another score is."""
        found = []
        for by_class in (False, True):
            model = self.widening(source, by_class=by_class)
            queries = of_queries(self._scores(name), self._codes, by_class=by_class).spread()
            times = 1.0 if model is None or not model.queries.error else model.whole.error / model.queries.error
            found.append(Widening(queries, Spread(queries.error * times, queries.freedom), self.level))
        return found[0], found[1]

    def _scores(self, name: str) -> Floats:
        """(N,) of the images, NaN = no query."""
        scores = np.full(len(self._codes), np.nan)
        scores[self._scored.queries] = self._scored.values[name]
        return scores

    def _as_queries(self, name: str, *, by_class: bool) -> Floats:
        """(N,) influences of the queries where clusters, not images, are drawn: all about the mean itself."""
        scores = self._scores(name)
        known = ~np.isnan(scores)
        _, place, sizes = np.unique(self._codes[known], return_inverse=True, return_counts=True)
        weight = 1.0 / sizes[place] / len(sizes) if by_class else np.full(len(place), 1.0 / max(1, len(place)))
        found = np.zeros(len(scores))
        found[known] = weight * (scores[known] - (weight * scores[known]).sum())
        return found
