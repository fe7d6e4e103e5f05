"""How far a mean score would move with other images, from what it would lose without each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bignet.errors import MismatchError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

_WHOLE = 2  # a class of so few images is one unit: without one of them the other has nothing to find


@dataclass(frozen=True)
class Estimate:
    """A mean score, and what it rests on.

    Attributes:
        value: the mean.
        influences: (N,) what it would lose without each image: itself less the mean with that image gone, as a
            query and from everyone's gallery, the latter scaled as ``without_pairs`` says. Images whose lone absence
            would leave their class without a query bear equal shares of what the class's own absence would do.
        classes: (N,) class codes of the images, -1 = unlabelled.
        n_queries: queries that have a score.
        by_class: True for a mean of class means.
    """

    value: float
    influences: Floats
    classes: Ints
    n_queries: int
    by_class: bool

    def less(self, other: Estimate) -> Estimate:
        """This mean minus another over the same images.

        Raises:
            MismatchError: other images, other classes, other queries, or means of other kinds.
        """
        alike = (
            self.by_class == other.by_class
            and self.n_queries == other.n_queries
            and np.array_equal(self.classes, other.classes)
        )
        if not alike:
            raise MismatchError(
                "a paired difference needs the same queries among the same images and classes; "
                f"found {self.n_queries} of {len(self.classes)} and {other.n_queries} of {len(other.classes)}"
            )
        change = self.influences - other.influences
        return Estimate(self.value - other.value, change, self.classes, self.n_queries, self.by_class)

    def spread(self) -> Spread:
        """Its standard error over other images: of the same classes, in numbers as here, for a mean of class means."""
        return jackknife(self.influences, self.classes, by_class=self.by_class)


@dataclass(frozen=True)
class Spread:
    """How far a number moves: its standard error, and from how many free differences that is known."""

    error: float
    freedom: float


def jackknife(influences: Floats, classes: Ints, *, by_class: bool) -> Spread:
    """(N,) influences -> standard error of their mean score (Efron and Stein 1981: on average not too small).

    (n - 1) / n times the sum of squares about the mean, over all images, or by class where every class weighs as it
    does whatever its size. The images of a class of two stand and fall together: they count as one, and by class
    their influence itself is the deviation, from all other classes. Degrees of freedom: Satterthwaite 1946.

    Args:
        influences: what the mean would lose without each image.
        classes: (N,) codes, -1 = unlabelled.
        by_class: see above.
    """
    _, place, sizes = np.unique(classes, return_inverse=True, return_counts=True)
    few = (sizes <= _WHOLE)[place] & (classes >= 0)
    sums = np.bincount(place[few], weights=influences[few], minlength=len(sizes))
    whole = sums[np.unique(place[few])]
    if not by_class:
        units = np.concatenate([influences[~few], whole])
        n = max(1, len(units))
        return Spread(float(np.sqrt((n - 1) / n * ((units - units.mean()) ** 2).sum())) if n > 1 else 0.0, n - 1.0)
    place, values = place[~few], influences[~few]
    held = np.bincount(place, minlength=len(sizes))
    counts, free = np.maximum(held, 1), np.maximum(held - 1, 1)
    mean = np.bincount(place, weights=values, minlength=len(sizes)) / counts
    square = np.bincount(place, weights=(values - mean[place]) ** 2, minlength=len(sizes))
    strata, free = np.append(square * (counts - 1) / counts, (whole**2).sum()), np.append(free, max(1, len(whole)))
    total, known = strata.sum(), (strata**2 / free).sum()
    return Spread(float(np.sqrt(total)), float(total**2 / known) if known > 0 else float("inf"))


def without_pairs(queries: Floats, influences: Floats, pairs: float, classes: Ints, *, by_class: bool) -> Floats:
    """(N,) influences with the part of the gallery smaller, so that pairs of images count once.

    What one image does to one query alone is part of both their influences, so that the jackknife counts its variance
    twice; taking the sum of the squares off once is the correction of Efron and Stein 1981, section 5. The part of the
    gallery is scaled so that the variance comes out so, no smaller than that of the queries: then influences of two
    embeddings can still be subtracted.

    Args:
        queries: (N,) influences of the queries alone.
        influences: (N,) of images as queries and in the gallery.
        pairs: sum of the squares of what single images do to single queries.
        classes: (N,) codes, -1 = unlabelled.
        by_class: of a mean of class means.
    """
    _, place, sizes = np.unique(classes, return_inverse=True, return_counts=True)
    few = (sizes <= _WHOLE)[place] & (classes >= 0)
    first = np.where(few, influences, queries)
    gallery = influences - first
    least, most, square = (
        jackknife(values, classes, by_class=by_class).error ** 2 for values in (first, influences, gallery)
    )
    half = (most - least - square) / 2
    aim = max(least, most - pairs)
    if square <= 0 or aim >= most:
        return influences
    root = float(np.sqrt(max(0.0, half**2 + square * (aim - least))))
    return np.asarray(first + min(1.0, max(0.0, (root - half) / square)) * gallery)


def of_queries(scores: Floats, classes: Ints, *, by_class: bool) -> Estimate:
    """(N,) scores, NaN = no query, at least one -> their mean and influences of the queries alone.

    What an image does in other queries' galleries is not in them, so that the spread is too small, by up to a half.
    """
    known = ~np.isnan(scores)
    place, sizes = np.unique(classes[known], return_inverse=True, return_counts=True)[1:]
    values, influences = scores[known], np.zeros(len(scores))
    if not by_class:
        mean = values.mean()
        influences[known] = (values - mean) / max(1, len(values) - 1)
    else:
        means = np.bincount(place, weights=values) / sizes
        mean, n = means.mean(), sizes[place]
        alone = (means[place] - mean) / max(1, len(means) - 1)
        within = (values - means[place]) / np.maximum(n - 1, 1) / len(means)
        influences[known] = np.where(n == 1, alone, within)
    return Estimate(float(mean), influences, classes, len(values), by_class)
