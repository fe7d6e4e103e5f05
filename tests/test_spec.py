import hashlib
import json
from dataclasses import fields, replace

import pytest

from bignet.errors import UsageError
from bignet.extractor.agreement import differences
from bignet.imported import ImportedEncoder
from bignet.spec import EmbeddingSpec, EncoderSpec, PoolName, Preprocess, parse_pool

PREPROCESS = Preprocess(256, 224, "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
ENCODER = EncoderSpec("resnet50", "published:IMAGENET1K_V2", "ab" * 32, PREPROCESS)
SPEC = EmbeddingSpec(ENCODER, "layer4", "gap", 2048)

CHANGES = [
    {"layer": "layer3"},
    {"pool": "max"},
    {"dims": 1024},
    {"dtype": "float16"},
    *[{"encoder": replace(ENCODER, **change)} for change in (
        {"model": "resnet34"},
        {"weights_sha256": "cd" * 32},
        {"precision": "bf16"},
        {"preprocess": replace(PREPROCESS, resize=232)},
        {"preprocess": replace(PREPROCESS, crop=225)},
        {"preprocess": replace(PREPROCESS, interpolation="bicubic")},
        {"preprocess": replace(PREPROCESS, mean=(0.5, 0.456, 0.406))},
        {"preprocess": replace(PREPROCESS, std=(0.229, 0.224, 0.2250001))},
        {"preprocess": replace(PREPROCESS, mode="pad")},
        {"preprocess": replace(PREPROCESS, views="five")},
        {"preprocess": replace(PREPROCESS, decode="fast")},
    )],
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_fingerprint_changes_with_every_field_that_changes_vectors(change):
    assert replace(SPEC, **change).fingerprint != SPEC.fingerprint


def test_fingerprint_is_pinned():
    assert SPEC.fingerprint == "e4baa65759c37b36"


def test_fingerprint_does_not_depend_on_where_the_weights_lie():
    moved = replace(SPEC, encoder=replace(ENCODER, weights="file:/elsewhere/resnet50.pth"))
    assert moved.fingerprint == SPEC.fingerprint


def test_spec_survives_json():
    assert EmbeddingSpec.from_json(json.loads(json.dumps(SPEC.as_json()))) == SPEC


def test_spec_of_a_later_version_is_read_without_its_new_fields():
    data = json.loads(json.dumps(SPEC.as_json()))
    data["rotation"] = data["encoder"]["flash"] = data["encoder"]["preprocess"]["gamma"] = 2
    assert EmbeddingSpec.from_json(data) == SPEC


def test_differences_name_the_field_and_both_values():
    other = replace(SPEC, pool="max", encoder=replace(ENCODER, preprocess=replace(PREPROCESS, crop=200)))
    assert differences(SPEC, other) == ["crop: 224 != 200", "pool: gap != max"]
    assert differences(SPEC, SPEC) == []


def test_column_names_hold_no_colon():
    assert replace(SPEC, pool="gem:2.5").name == "layer4.gem2.5"
    assert replace(SPEC, layer="features", pool="avg:3").name == "features.avg3"


def test_only_random_weights_are_untrained():
    assert replace(ENCODER, weights="random:3").untrained
    assert not ENCODER.untrained


def test_specs_are_values():
    assert len({SPEC, replace(SPEC)}) == 1
    assert {item.name for item in fields(EmbeddingSpec)} == {"encoder", "layer", "pool", "dims", "dtype", "derived"}


@pytest.mark.parametrize(
    ("text", "kind", "number", "canonical"),
    [
        ("gap", "gap", 0, "gap"),
        ("max", "max", 0, "max"),
        ("flat", "flat", 0, "flat"),
        ("gem", "gem", 3, "gem:3"),
        ("gem:3.0", "gem", 3, "gem:3"),
        ("gem:2.5", "gem", 2.5, "gem:2.5"),
        ("avg:3", "avg", 3, "avg:3"),
        ("avg:03", "avg", 3, "avg:3"),
        ("avgc:3", "avgc", 3, "avgc:3"),
        ("grid:2", "grid", 2, "grid:2"),
        ("rmac", "rmac", 3, "rmac:3"),
        ("crow", "crow", 0, "crow"),
        ("cls", "cls", 0, "cls"),
        ("spoc", "gap", 0, "gap"),
        ("mac", "max", 0, "max"),
    ],
)
def test_pool_names_have_one_spelling(text, kind, number, canonical):
    pool = parse_pool(text)
    assert pool == PoolName(kind, number)
    assert str(pool) == canonical
    assert parse_pool(str(pool)) == pool


WRONG = ["", "GAP", "gap:", "gap:2", "max:1", "flat:3", "avg", "avg:", "avg:0", "avg:-1", "avg:2.5", "avg:x", "avg:inf"]
WRONG += [
    "gem:0",
    "gem:-2",
    "gem:nan",
    "gem:inf",
    "gem:",
    "gem:3:4",
    "spoc:1",
    " gap",
    "avg:3,avg:4",
    "grid",
    "rmac:0",
    "cls:1",
]


@pytest.mark.parametrize("text", WRONG)
def test_unknown_pools_are_refused_with_the_list_of_those_there_are(text):
    with pytest.raises(
        UsageError, match=r"unknown; allowed: gap .*gem:p \(p > 0\).*avg:k.*\(L, k, n >= 1\), cls, flat"
    ):
        parse_pool(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mode": "stretch"}, "mode 'stretch' is unknown; allowed: crop, squash, pad"),
        ({"views": "three"}, "views 'three' is unknown; allowed: centre, flip, five, ten"),
        ({"decode": "quick"}, "decode 'quick' is unknown; allowed: exact, fast"),
        ({"interpolation": "nearest"}, "interpolation 'nearest' is unknown; allowed: bilinear, bicubic"),
        ({"resize": 0}, "resize 0 is no size; allowed: 1 pixel and more"),
        ({"crop": -1}, "crop -1 is no size; allowed: 1 pixel and more"),
        ({"mode": "pad", "views": "five"}, "views 'five' are no use in mode 'pad'.*; allowed: centre, flip;"),
        ({"resize": 223, "views": "ten"}, "resize 223 is less than crop 224; allowed: resize >= crop;"),
    ],
    ids=str,
)
def test_preprocessing_that_there_is_not_is_refused_with_what_there_is(change, message):
    with pytest.raises(UsageError, match=message):
        replace(PREPROCESS, **change)


def test_views_say_how_many_they_are():
    assert [replace(PREPROCESS, views=views).n_views for views in ("centre", "flip", "five", "ten")] == [1, 2, 5, 10]


def test_another_size_keeps_the_proportion_of_training():
    assert PREPROCESS.sized(448) == replace(PREPROCESS, resize=512, crop=448)
    assert PREPROCESS.sized(112).resize == 128


def test_ranges_go_with_int8_and_are_part_of_the_fingerprint():
    one, other = (replace(ENCODER, precision="int8", ranges=(("conv1", largest),)) for largest in (2.5, 2.75))
    specs = [EmbeddingSpec(encoder, "layer4", "gap", 2048) for encoder in (one, other)]
    assert specs[0].fingerprint != specs[1].fingerprint
    assert EmbeddingSpec.from_json(json.loads(json.dumps(specs[0].as_json()))) == specs[0]
    for wrong in ({"precision": "int8"}, {"precision": "bf16", "ranges": (("conv1", 2.5),)}):
        with pytest.raises(UsageError, match="ranges"):
            replace(ENCODER, **wrong)
    for pairs in ([("conv1", 0.0)], [("conv1", -1.0)], [("conv1", float("nan"))], [("conv1", 1.0), ("conv1", 2.0)]):
        with pytest.raises(UsageError, match="convolution 'conv1' has a range of"):
            replace(ENCODER, precision="int8", ranges=tuple(pairs))


def test_a_store_from_before_there_were_ranges_keeps_its_fingerprint():
    spec = EmbeddingSpec(ENCODER, "layer4", "gap", 2048)
    data = spec.as_json()
    del data["encoder"]["ranges"]
    assert EmbeddingSpec.from_json(data) == spec
    del data["encoder"]["weights"]
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    assert spec.fingerprint == hashlib.sha256(text.encode()).hexdigest()[:16]


IMPORTED = EmbeddingSpec(ImportedEncoder("CLIP ViT-B/32", "clip.npy", "ef" * 32), "clip", "", 512)


def test_imported_vectors_are_comparable_by_name_encoder_dims_and_type():
    text = '{"dims":512,"dtype":"float32","encoder":{"model":"CLIP ViT-B/32"},"layer":"clip","pool":""}'
    assert IMPORTED.fingerprint == hashlib.sha256(text.encode()).hexdigest()[:16]
    other_file = replace(IMPORTED, encoder=ImportedEncoder("CLIP ViT-B/32", "more.parquet", "01" * 32))
    assert other_file.fingerprint == IMPORTED.fingerprint
    changes = [{"layer": "dino"}, {"dims": 513}, {"dtype": "float16"}, {"encoder": ImportedEncoder("DINO", "f", "ef")}]
    assert len({replace(IMPORTED, **change).fingerprint for change in changes} | {IMPORTED.fingerprint}) == 5


def test_an_imported_embedding_survives_json_and_is_named_as_it_was_called():
    assert EmbeddingSpec.from_json(json.loads(json.dumps(IMPORTED.as_json()))) == IMPORTED
    assert IMPORTED.name == "clip"


def test_an_imported_embedding_names_its_file_where_an_encoder_is_needed():
    assert SPEC.computed_by is ENCODER
    with pytest.raises(UsageError, match=r"'clip' was imported from clip.npy \(CLIP ViT-B/32\): .* id:N, path:P"):
        _ = IMPORTED.computed_by


@pytest.mark.parametrize("model", ["two\nlines", "bell\a", "x" * 201])
def test_an_encoder_is_one_printable_line(model):
    with pytest.raises(UsageError, match="allowed: one line"):
        ImportedEncoder(model, "clip.npy", "ef" * 32)
