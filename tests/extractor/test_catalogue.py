import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torchvision

from bignet.errors import UsageError
from bignet.extractor import backbones, catalogue, weights


def test_the_table_says_of_every_model_what_torchvision_says():
    table = catalogue.known()
    assert list(table) == backbones.names()
    for name in torchvision.models.list_models(module=torchvision.models):
        published = torchvision.models.get_model_weights(name).DEFAULT
        row = table[name]
        assert (row.parameters, row.weights) == (published.meta["num_params"], published.name)
        assert published.url.endswith(f"/{row.file}")


def test_the_offline_model_has_the_parameters_listed():
    pytest.importorskip("timm")
    item = catalogue.find("efficientnet_lite0")[0]
    model = backbones.find(item.name).build()
    assert item.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert item.weights == weights.OFFLINE_PACKAGE


def test_listing_models_does_without_torch():
    script = "import sys\nfrom bignet.extractor import catalogue\ncatalogue.find()\nprint('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_pattern_is_a_part_of_the_name():
    found = catalogue.find("squeezenet")
    assert [(item.name, item.parameters, item.layer, item.weights) for item in found] == [
        ("squeezenet1_0", 1248424, "features", "IMAGENET1K_V1"),
        ("squeezenet1_1", 1235496, "features", "IMAGENET1K_V1"),
    ]


def test_a_pattern_of_no_name_gives_the_nearest():
    with pytest.raises(UsageError, match="no model's name contains 'resnet51'; nearest: 'resnet50'"):
        catalogue.find("resnet51")


@pytest.mark.parametrize(
    "variables", [{}, {"TORCH_HOME": "/a"}, {"XDG_CACHE_HOME": "/b"}, {"TORCH_HOME": "~/c"}], ids=str
)
def test_torchs_cache_is_where_torch_has_it(monkeypatch, variables):
    for name in ("TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert catalogue.torch_cache() == Path(torch.hub.get_dir()) / "checkpoints"


def test_weights_in_torchs_cache_are_seen(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert [item.cached for item in catalogue.find("alexnet")] == [False]
    catalogue.torch_cache().mkdir(parents=True)
    (catalogue.torch_cache() / catalogue.known()["alexnet"].file).touch()
    assert [item.cached for item in catalogue.find("alexnet")] == [True]


def test_timms_models_are_listed_when_asked_for(tmp_path, monkeypatch):
    pytest.importorskip("timm")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert not any(item.name.startswith("timm/") for item in catalogue.find("resnet18"))
    assert "timm/resnet18" in [item.name for item in catalogue.find("resnet18", timm=True)]
    item = catalogue.find("timm/mobilenetv3_small_050")[0]
    assert (item.parameters, item.weights, item.cached) == (None, "mobilenetv3_small_050.lamb_in1k", False)
