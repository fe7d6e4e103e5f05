"""Two halves of the images: choices are made by one and reported on the other, so that luck does not count as merit."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate.gallery import stratified_folds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

WHOLE = 4  # a class of fewer images is in one half: split, most of it would have nothing to find


def reported_half(ids: Ints, codes: Ints, groups: Ints | None, seed: int) -> Bools:
    """N images -> (N,) True for those of the half that is reported on, whatever order the images come in.

    Images are put in the order of a hash of seed and id and then dealt by class, so that each class is cut in two
    equal parts. Each half is a data set of its own, gallery included: were the gallery shared, luck of the images in
    it would favour the same choice in both halves.

    Args:
        ids: distinct.
        codes: classes, -1 = unlabelled.
        groups: images of one code stay in one half, -1 = in no group; None = no groups.
        seed: fixes the halves.
    """
    order = np.argsort([_hashed(seed, image) for image in ids.tolist()], kind="stable")
    fold = np.empty(len(ids), dtype=np.int64)
    fold[order] = stratified_folds(codes[order], _units(codes, groups)[order], 2, seed)
    return np.asarray(fold == 1)


def _hashed(seed: int, image: int) -> int:
    digest = hashlib.blake2b(f"{seed}/{image}".encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big")


def _units(codes: Ints, groups: Ints | None) -> Ints:
    """(N,) codes of what stays together, -1 = nothing: groups, and small classes outside them."""
    groups = np.full(len(codes), -1) if groups is None else groups
    sizes = np.bincount(codes[codes >= 0], minlength=1)
    small = (codes >= 0) & (sizes[np.maximum(codes, 0)] < WHOLE) & (groups < 0)
    return np.where(small, int(groups.max(initial=-1)) + 1 + codes, groups)
