import numpy as np
import pytest
import torch

from bignet.extractor import encoder, machine, prove
from bignet.extractor.settings import ExtractSettings, Form

CPU = torch.device("cpu")


@pytest.fixture
def blueprint():
    return encoder.draw("tests.tiny:build", "random:0", ("body", "head"), ("gap", "max"), Form())


@pytest.fixture(autouse=True)
def _bf16_is_there(monkeypatch):
    monkeypatch.setattr(prove, "fast_precisions", lambda _device: ("bf16",))


def sample(decoder, number=5):
    """Pictures by path; decoded fast, every fourth pixel is another one."""
    pixels = torch.randint(
        0, 256, (number, 1, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    if decoder == "fast":
        pixels[..., ::4] = 255 - pixels[..., ::4]
    return {b"%d.jpg" % at: pixels[at] for at in range(number)}


def choose(blueprint, decoded=sample, **asked):
    return prove.choose(blueprint, CPU, ExtractSettings(**asked), decoded)


def smallest_cosine(ours, theirs):
    found = []
    for name in ours:
        a, b = ours[name].astype(float), theirs[name].astype(float)
        found.append(((a * b).sum(1) / np.sqrt((a**2).sum(1) * (b**2).sum(1))).min())
    return min(found)


def test_auto_takes_the_fast_arithmetic_that_the_sample_proves(blueprint):
    chosen, (proof,) = choose(blueprint)
    assert chosen.spec.precision == "bf16"
    squares = torch.stack(list(sample("exact").values()))
    truth = smallest_cosine(blueprint.encoder(CPU).encode(squares), blueprint.encoder(CPU, "bf16").encode(squares))
    assert proof.used
    assert proof.holds
    assert proof.n_images == 5
    assert proof.cosine == pytest.approx(truth, abs=1e-9)
    assert 0.999 < proof.cosine < 1


def test_auto_stays_exact_where_the_sample_speaks_against_it(blueprint, monkeypatch):
    monkeypatch.setattr(prove, "SMALLEST_COSINE", 0.9999999)
    chosen, (proof,) = choose(blueprint)
    assert (chosen.spec.precision, proof.used) == ("fp32", False)


def test_what_is_asked_for_by_name_is_used_and_its_loss_told(blueprint):
    chosen, (proof,) = choose(blueprint, precision="fp32", decode="fast")
    assert chosen.spec.preprocess.decode == "fast"
    assert proof.used
    assert not proof.holds
    assert proof.way == "fast"


def test_decoding_that_fails_the_proof_is_not_used_by_auto(blueprint):
    chosen, proofs = choose(blueprint, decode="auto")
    assert (chosen.spec.preprocess.decode, chosen.spec.precision) == ("exact", "bf16")
    assert [(proof.way, proof.used) for proof in proofs] == [("fast", False), ("bf16", True)]


def test_decoding_and_arithmetic_are_proved_together(blueprint):
    chosen, proofs = choose(blueprint, lambda _decoder: sample("exact"), decode="auto")
    assert (chosen.spec.preprocess.decode, chosen.spec.precision) == ("fast", "bf16")
    assert [proof.way for proof in proofs] == ["fast", "bf16 fast"]


def test_nothing_is_tried_when_fp32_and_exact_are_asked_for(blueprint):
    def never(_decoder):
        raise AssertionError("no picture is needed")

    chosen, proofs = choose(blueprint, never, precision="fp32", decode="exact")
    assert (chosen.spec.precision, chosen.spec.preprocess.decode, proofs) == ("fp32", "exact", [])


def test_nothing_is_tried_where_there_is_no_faster_arithmetic(blueprint, monkeypatch):
    monkeypatch.setattr(prove, "fast_precisions", lambda _device: ())
    assert choose(blueprint, lambda _decoder: pytest.fail("no picture is needed"))[1] == []


def test_without_a_picture_that_can_be_decoded_auto_proves_nothing(blueprint):
    chosen, (proof,) = choose(blueprint, lambda _decoder: {})
    assert chosen.spec.precision == "fp32"
    assert (proof.n_images, proof.used, proof.holds) == (0, False, False)


def test_vectors_that_are_not_finite_prove_nothing(blueprint, monkeypatch):
    encode = encoder.Encoder.encode

    def overflowing(self, squares):
        vectors = encode(self, squares)
        if self.spec.precision == "bf16":
            return {name: np.full_like(values, np.inf) for name, values in vectors.items()}
        return vectors

    monkeypatch.setattr(encoder.Encoder, "encode", overflowing)
    chosen, (proof,) = choose(blueprint)
    assert chosen.spec.precision == "fp32"
    assert np.isnan(proof.cosine)


def test_this_processor_is_asked(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert machine.fast_precisions(CPU) == ("bf16",)
