import numpy as np
import pytest
import torch

from bignet.errors import UsageError
from bignet.extractor import calibrate, encoder, machine, prove
from bignet.extractor.calibrate import Closeness
from bignet.extractor.prove import Needed
from bignet.extractor.settings import ExtractSettings, Form
from bignet.spec import Preprocess
from tests.extractor.marks import needs_vnni

CPU = torch.device("cpu")


@pytest.fixture
def blueprint():
    return encoder.draw("tests.tiny:build", "random:0", ("body", "head"), ("gap", "max"), Form())


@pytest.fixture(autouse=True)
def _bf16_is_there(monkeypatch):
    monkeypatch.setattr(prove, "fast_precisions", lambda _device: ("bf16",))


@pytest.fixture(autouse=True)
def _only_closeness_counts(monkeypatch):
    """Which arithmetic is the faster depends on the processor, and on what else it does."""
    monkeypatch.setattr(prove, "_FEWEST_TIMED", 10**9)


def sample(decoder, _n_images=5, number=5):
    """Pictures by path; decoded fast, every fourth pixel is another one."""
    pixels = torch.randint(
        0, 256, (number, 1, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    if decoder == "fast":
        pixels[..., ::4] = 255 - pixels[..., ::4]
    return {b"%d.jpg" % at: pixels[at] for at in range(number)}


def choose(blueprint, decoded=sample, n_pending=5, **asked):
    spec, proofs = prove.choose(blueprint, CPU, ExtractSettings(**asked), n_pending, decoded)
    return blueprint.encoder(CPU, spec.precision, spec.preprocess.decode, spec.ranges), proofs


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
    assert proof.closeness.cosine == pytest.approx(truth, abs=1e-9)
    assert 0.999 < proof.closeness.cosine < 1


def test_auto_stays_exact_where_the_sample_speaks_against_it(blueprint, monkeypatch):
    monkeypatch.setattr(prove, "NEEDED", Needed(cosine=0.9999999, overlap=0))
    chosen, (proof,) = choose(blueprint)
    assert (chosen.spec.precision, proof.used) == ("fp32", False)


class Frequencies(torch.nn.Module):
    """Torch has no such operation for fewer bits."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 6, 3)

    def forward(self, batch):
        return torch.fft.rfft2(self.conv(batch)).abs()


def frequencies():
    return torch.nn.Sequential(Frequencies())


frequencies.preprocess = Preprocess(32, 32, "bilinear", (0.5,) * 3, (0.5,) * 3)


def test_arithmetic_that_a_network_cannot_be_computed_in_is_not_taken_by_auto():
    blueprint = encoder.draw("tests.extractor.test_prove:frequencies", "random:0", ("0",), ("max",), Form())
    chosen, proofs = choose(blueprint)
    assert (chosen.spec.precision, proofs) == ("fp32", [])
    with pytest.raises(UsageError, match="cannot be computed in bf16"):
        choose(blueprint, precision="bf16")


def test_what_must_stay_must_stay_by_the_lower_end_of_its_interval():
    needed = Needed(cosine=0.999, overlap=0.98)
    assert needed.met_by(Closeness(0.999, 1.0, overlap=0.99, overlap_lo=0.98))
    assert not needed.met_by(Closeness(0.999, 1.0, overlap=0.99, overlap_lo=0.979))


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
    chosen, proofs = choose(blueprint, lambda _decoder, _n_images: sample("exact"), decode="auto")
    assert (chosen.spec.preprocess.decode, chosen.spec.precision) == ("fast", "bf16")
    assert [proof.way for proof in proofs] == ["fast", "bf16 fast"]


def test_nothing_is_tried_when_fp32_and_exact_are_asked_for(blueprint):
    def never(_decoder, _n_images):
        raise AssertionError("no picture is needed")

    chosen, proofs = choose(blueprint, never, precision="fp32", decode="exact")
    assert (chosen.spec.precision, chosen.spec.preprocess.decode, proofs) == ("fp32", "exact", [])


def test_nothing_is_tried_where_there_is_no_faster_arithmetic(blueprint, monkeypatch):
    monkeypatch.setattr(prove, "fast_precisions", lambda _device: ())
    assert choose(blueprint, lambda _decoder, _n_images: pytest.fail("no picture is needed"))[1] == []


def test_without_a_picture_that_can_be_decoded_auto_proves_nothing(blueprint):
    chosen, (proof,) = choose(blueprint, lambda _decoder, _n_images: {})
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
    assert np.isnan(proof.closeness.cosine)


def test_this_processor_is_asked(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert machine.fast_precisions(CPU) == ("bf16",)


@pytest.mark.parametrize(("slower", "taken"), [(1.0, "fp32"), (0.5, "bf16")])
@pytest.mark.parametrize("asked", ["auto", "bf16"])
def test_auto_takes_rougher_arithmetic_only_where_it_is_faster(blueprint, monkeypatch, slower, taken, asked):
    """A clock by which fp32 takes a second a batch, and bf16 so many times that."""
    now = [0.0]
    encode = encoder.Encoder.encode

    def timed(self, squares):
        now[0] += slower if self.spec.precision == "bf16" else 1.0
        return encode(self, squares)

    monkeypatch.setattr(prove, "_FEWEST_TIMED", 5)
    monkeypatch.setattr(prove.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(encoder.Encoder, "encode", timed)
    chosen, (proof,) = choose(blueprint, precision=asked)
    assert chosen.spec.precision == ("bf16" if asked == "bf16" else taken)
    assert proof.holds
    assert proof.speedup == pytest.approx(1 / slower)
    assert proof.used == (asked == "bf16" or taken == "bf16")


def test_a_handful_of_images_does_not_tell_which_is_faster(blueprint, monkeypatch):
    monkeypatch.setattr(prove, "_FEWEST_TIMED", 6)
    _, (proof,) = choose(blueprint)
    assert np.isnan(proof.speedup)
    assert proof.pays
    assert proof.used


PLENTY = prove.WORTH_CALIBRATING


@pytest.fixture
def roundings_are_free(monkeypatch):
    monkeypatch.setattr(calibrate, "_ROUNDING", 0)


def full_sample(decoder, n_images):
    return sample(decoder, number=n_images)


@pytest.fixture
def wide():
    """One embedding from which integers are not far."""
    return encoder.draw("tests.tiny:build", "random:0", ("body",), ("flat",), Form())


@needs_vnni
@pytest.mark.usefixtures("roundings_are_free")
def test_auto_takes_as_many_convolutions_in_8_bit_integers_as_the_sample_proves(wide):
    chosen, (bf16, int8) = choose(wide, full_sample, n_pending=PLENTY)
    assert chosen.spec.precision == "int8"
    assert {name for name, _ in chosen.spec.ranges} <= {"stem_conv", "body_conv"}
    assert bf16.used
    assert int8.used
    assert int8.way.startswith("int8")
    assert prove.NEEDED_INT8.met_by(int8.closeness)
    squares = torch.stack(list(full_sample("exact", prove.N_IMAGES).values()))
    exact, ours = wide.encoder(CPU).encode(squares), chosen.encode(squares)
    assert smallest_cosine(exact, ours) == pytest.approx(int8.closeness.cosine, abs=1e-6)
    assert smallest_cosine(exact, ours) < smallest_cosine(exact, wide.encoder(CPU, "bf16").encode(squares))


@needs_vnni
@pytest.mark.usefixtures("roundings_are_free")
@pytest.mark.parametrize(
    ("needed", "n_pending", "pictures"),
    [
        (Needed(0.9999999, 1), PLENTY, full_sample),
        (prove.NEEDED_INT8, PLENTY - 1, full_sample),
        (prove.NEEDED_INT8, PLENTY, sample),
    ],
    ids=["not near enough", "too few images for it", "too small a sample"],
)
def test_auto_stays_with_bf16_where_integers_are_not_proved(wide, monkeypatch, needed, n_pending, pictures):
    monkeypatch.setattr(prove, "NEEDED_INT8", needed)
    chosen, proofs = choose(wide, pictures, n_pending=n_pending)
    assert (chosen.spec.precision, chosen.spec.ranges) == ("bf16", ())
    assert [proof.way for proof in proofs if proof.used] == ["bf16"]


@needs_vnni
@pytest.mark.parametrize(
    ("n_proved", "tried"), [(0, [4, 2, 1]), (1, [4, 2, 1]), (3, [4, 2, 3]), (4, [4, 6, 5]), (6, [4, 6])]
)
def test_as_many_are_taken_as_hold_together_though_losses_do_not_just_add_up(wide, monkeypatch, n_proved, tried):
    asked = []
    names = [f"layer{number}" for number in range(6)]
    made = [calibrate.Candidate(name, 1.0, 0.15, 0.15, 0.0) for name in names]
    monkeypatch.setattr(calibrate, "candidates", lambda _plain, _batches: made)
    monkeypatch.setattr(calibrate, "cheapest", lambda found, budget: found[: 1 + prove._BUDGETS.index(budget)])

    def encoder_of(_self, _device, precision=None, decode=None, ranges=()):
        asked.append(len(ranges))
        return real(_self, _device, "bf16" if precision == "int8" else precision, decode)

    real = encoder.Blueprint.encoder
    monkeypatch.setattr(encoder.Blueprint, "encoder", encoder_of)
    monkeypatch.setattr(prove, "_way", lambda _encoder, share: f"{share:.2f}")
    monkeypatch.setattr(
        prove.Proof, "holds", property(lambda self: self.way == "1.00" or float(self.way) < 0.15 * n_proved + 0.01)
    )
    _, proofs = choose(wide, full_sample, n_pending=PLENTY)
    assert [number for number in asked if number] == tried
    assert [proof.used for proof in proofs] == [True, n_proved > 0]  # what was tried in between is not told
    assert not n_proved or float(proofs[-1].way) == pytest.approx(0.15 * n_proved)


@needs_vnni
@pytest.mark.usefixtures("roundings_are_free")
def test_all_convolutions_go_where_8_bit_integers_are_asked_for_and_the_loss_is_told(blueprint, monkeypatch):
    monkeypatch.setattr(prove, "NEEDED_INT8", Needed(0.9999999, 1))
    chosen, (proof,) = choose(blueprint, precision="int8")
    assert [name for name, _ in chosen.spec.ranges] == ["body_conv", "head_conv", "stem_conv"]
    assert proof.used
    assert not proof.holds
    assert 0.9 < proof.closeness.cosine < 1


def test_8_bit_integers_are_refused_where_there_are_none(blueprint, monkeypatch):
    monkeypatch.setattr(prove, "has_int8", lambda _device: True)
    with pytest.raises(UsageError, match=r"no convolution of 'tests\.tiny:build'"):
        choose(blueprint, lambda _decoder, _n_images: {}, precision="int8")
    monkeypatch.setattr(prove, "has_int8", lambda _device: False)
    with pytest.raises(UsageError, match="VNNI"):
        choose(blueprint, precision="int8")
