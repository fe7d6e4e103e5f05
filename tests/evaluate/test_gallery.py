from dataclasses import replace

import numpy as np
import pytest

from bignet.evaluate.gallery import label_gallery, sampled_queries, stratified_folds


def random_codes(n=400, seed=0):
    return np.random.default_rng(seed).choice([-1, 0, 1, 2, 3], size=n, p=[0.1, 0.6, 0.2, 0.08, 0.02])


@pytest.mark.parametrize("unlabelled", ["drop", "distractor"])
@pytest.mark.parametrize("seed", range(5))
def test_relevant_and_other_rows_equal_a_count_of_pairs(seed, unlabelled):
    rng = np.random.default_rng(seed)
    codes, apart = random_codes(60, seed), rng.integers(-1, 8, size=60)
    gallery = replace(label_gallery(codes, unlabelled), apart=apart)
    gallery = replace(gallery, member=gallery.member & (rng.random(60) < 0.7))
    for i in range(60):
        found = [j for j in range(60) if j != i and gallery.member[j] and (apart[i] < 0 or apart[i] != apart[j])]
        n_relevant = sum(codes[j] == codes[i] for j in found)
        assert gallery.n_others[i] == len(found)
        assert gallery.n_relevant[i] == (n_relevant if codes[i] >= 0 and n_relevant else -1)


def test_a_sample_takes_classes_in_proportion_and_some_of_each():
    codes = random_codes(20_000)
    drawn = sampled_queries(label_gallery(codes, "drop"), 1000, seed=0)
    counts, sizes = np.bincount(codes[drawn]), np.bincount(codes[codes >= 0])
    assert np.all(np.diff(drawn) > 0)
    assert codes[drawn].min() == 0
    np.testing.assert_allclose(counts, np.maximum(np.ceil(sizes * 1000 / sizes.sum()), 20))
    assert not np.array_equal(drawn, sampled_queries(label_gallery(codes, "drop"), 1000, seed=1))


def test_a_capped_gallery_holds_so_many_of_each_class_and_all_it_may_of_the_unlabelled():
    codes = random_codes()
    for unlabelled, kept in (("drop", 0), ("distractor", (codes < 0).sum())):
        capped = label_gallery(codes, unlabelled).capped(30, seed=0)
        sizes = np.bincount(codes[codes >= 0])
        assert np.bincount(codes[capped.member & (codes >= 0)]).tolist() == np.minimum(sizes, 30).tolist()
        assert (capped.member & (codes < 0)).sum() == kept


def test_folds_keep_units_whole_and_spread_every_class():
    rng = np.random.default_rng(0)
    units = np.repeat(np.arange(200), 3)
    units[-60:] = -1
    codes = rng.choice(3, size=201, p=[0.6, 0.3, 0.1])[np.where(units >= 0, units, 200)]
    codes[-60:] = rng.integers(3, size=60)
    folds = stratified_folds(codes, units, 4, seed=0)
    for unit in range(180):
        assert len(set(folds[units == unit])) == 1
    for code in range(3):
        counts = np.bincount(folds[codes == code], minlength=4)
        assert counts.max() - counts.min() <= 4
    assert np.array_equal(folds, stratified_folds(codes, units, 4, seed=0))
    assert not np.array_equal(folds, stratified_folds(codes, units, 4, seed=1))
