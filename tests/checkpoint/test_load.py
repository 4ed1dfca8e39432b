import json
import os
import pickle
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from vqa.checkpoint.find import read_checkpoint
from vqa.checkpoint.load import WEIGHTS, find_checkpoint, load_checkpoint
from vqa.checkpoint.provenance import checkpoint_provenance, provenance
from vqa.checkpoint.save import save_checkpoint
from vqa.checkpoint.weights import finite, half
from vqa.model.configuration import VQAConfig
from vqa.model.errors import InputError
from vqa.model.model import VQAModel

TENSOR = "fusion.project_a.weight"


@pytest.fixture
def folder(tiny_checkpoint, tmp_path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "model"))


def refused(folder: Path) -> str:
    """The sentence with which the checkpoint is refused."""
    with pytest.raises(InputError) as caught:
        load_checkpoint(folder)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


def test_round_trip_at_16_bits(tiny_checkpoint, tmp_path):
    net, processor = load_checkpoint(tiny_checkpoint)
    assert not net.training
    saved = load_file(tiny_checkpoint / WEIGHTS)
    assert {t.dtype for t in saved.values() if t.is_floating_point()} == {torch.float16}
    for name, value in net.state_dict().items():
        assert value.dtype == (torch.float32 if saved[name].is_floating_point() else saved[name].dtype)
        assert torch.equal(value, saved[name].to(value.dtype)), name
    save_checkpoint(tmp_path / "again", net, processor, {"results.json": {"answer": "café"}})
    again = load_file(tmp_path / "again" / WEIGHTS)
    assert all(torch.equal(again[name], value) for name, value in saved.items())
    assert json.loads((tmp_path / "again" / "results.json").read_text(encoding="utf-8")) == {"answer": "café"}
    assert load_checkpoint(tmp_path / "again")[0].config.id2label == net.config.id2label
    assert net.config.id2label[4] == "teddy bear"


def test_the_loaded_model_answers_as_the_one_that_was_saved(tmp_path, tiny_checkpoint):
    """The float32 model before saving, against the loaded one: what is lost is 16-bit rounding."""
    config, processor = VQAConfig.from_pretrained(tiny_checkpoint), load_checkpoint(tiny_checkpoint)[1]
    torch.manual_seed(3)
    net = VQAModel(config).eval()
    for buffer in (net.image_encoder.cnn[1].running_mean, net.image_encoder.cnn[1].running_var):
        buffer.uniform_(0.5, 1.5)  # running statistics travel too
    save_checkpoint(tmp_path / "model", net, processor)
    loaded, _ = load_checkpoint(tmp_path / "model")
    ids, mask = processor.encode(["what is on the table?", "how many"])
    pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before, after = (n(ids, mask, pixel_values=pixels) for n in (net, loaded))
    assert torch.allclose(before.logits, after.logits, atol=2e-3)
    assert torch.allclose(before.attention, after.attention, atol=1e-3)


def test_transformers_reads_the_same_folder(tiny_checkpoint):
    ours, theirs = load_checkpoint(tiny_checkpoint)[0], VQAModel.from_pretrained(tiny_checkpoint)
    for (name, a), b in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        assert torch.equal(a, b.to(a.dtype)), name


def test_half_clamps_and_leaves_integers():
    value = torch.tensor([1e6, -1e6, 0.1, 65504.0])
    assert half(value).tolist() == [65504.0, -65504.0, pytest.approx(0.1, abs=1e-4), 65504.0]
    assert half(value).dtype == torch.float16
    assert half(torch.tensor(70_000)).item() == 70_000
    assert half(torch.tensor(70_000)).dtype == torch.int64


def test_nothing_is_drawn_for_weights_that_a_file_overwrites(tiny_checkpoint):
    before = torch.random.get_rng_state()
    load_checkpoint(tiny_checkpoint)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_large_weights_are_finite_even_if_their_sum_is_not():
    assert finite(torch.tensor([3e38, 3e38])) and finite(torch.tensor(7)) and finite(torch.zeros(0))
    assert not any(map(finite, torch.tensor([[torch.inf, -torch.inf], [torch.nan, 0]])))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors.pop(TENSOR), f"lacks tensor {TENSOR};"),
        (lambda tensors: tensors.update(zoo=torch.zeros(1), zoo2=torch.zeros(1)), "the unknown tensor zoo and 1 more;"),
        (lambda tensors: tensors.update({TENSOR: torch.zeros(3, 3)}), f"in another shape or type, tensor {TENSOR};"),
        (lambda tensors: tensors.update({TENSOR: tensors[TENSOR].long()}), f"shape or type, tensor {TENSOR};"),
        (
            lambda tensors: tensors.update({TENSOR: tensors[TENSOR].to(torch.complex64)}),
            f"shape or type, tensor {TENSOR};",
        ),
        (lambda tensors: tensors[TENSOR].view(-1)[:1].fill_(torch.nan), f"undefined or infinite weights in {TENSOR};"),
        (lambda tensors: tensors.update({TENSOR: tensors[TENSOR].double() + 1e300}), f"infinite weights in {TENSOR};"),
    ],
)
def test_wrong_tensors_are_reported(folder, change, message):
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS)
    assert message in refused(folder)


@pytest.mark.parametrize("name", ["config.json", WEIGHTS, "processor_config.json", "tokenizer.json"])
def test_a_missing_file_is_reported(folder, name):
    (folder / name).unlink()
    assert f"has no {name};" in refused(folder)


@pytest.mark.parametrize("content", [b"", b"garbage", "half", "random"])
def test_broken_weights_are_reported(folder, content):
    whole = (folder / WEIGHTS).read_bytes()
    broken = {"half": whole[: len(whole) // 2], "random": bytes(range(256)) * 40}.get(content, content)
    (folder / WEIGHTS).write_bytes(broken)
    assert WEIGHTS in refused(folder)


@pytest.mark.parametrize("name", ["config.json", "processor_config.json", "tokenizer.json"])
@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"model_type": 3}', "\udcff"])
def test_broken_json_is_reported(folder, name, content):
    (folder / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    assert str(folder) in refused(folder)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model_type": "bert"}, "not of model type 'glimpse'"),
        ({"hidden_size": 24}, "in another shape"),
        ({"backbone": "timm:no_such_net"}, "timm has no model"),
        ({"backbone": "vgg"}, "vgg"),
        ({"attention": "sparse"}, "sparse"),
        ({"hidden_size": "many"}, "cannot be read"),
        ({"embedding_size": -3}, "cannot be read"),
        ({"num_layers": 9}, "1 to 4 layers"),
        ({"image_size": 2}, "cannot read 2-pixel photos"),
        ({"recurrent_cell": "qrnn"}, "qrnn"),
    ],
)
def test_wrong_settings_are_reported(folder, values, message):
    content = json.loads((folder / "config.json").read_text(encoding="utf-8")) | values
    (folder / "config.json").write_text(json.dumps(content), encoding="utf-8")
    assert message in refused(folder)


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [("processor_config.json", ["image_processor", "size"], 96), ("tokenizer.json", ["model", "vocab", "zebra"], 99)],
)
def test_a_file_of_another_model_is_reported(folder, name, path, value):
    content = part = json.loads((folder / name).read_text(encoding="utf-8"))
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    (folder / name).write_text(json.dumps(content), encoding="utf-8")
    assert "does not belong to its config.json" in refused(folder)


@pytest.mark.parametrize("name", ["no/such/folder", "./missing", "/missing", "missing", "a" * 5000])
def test_a_folder_that_is_not_there_is_reported(name):
    with pytest.raises(InputError, match="There is no model folder"):
        find_checkpoint(name)


def test_the_hub_s_refusal_is_reported(monkeypatch):
    import huggingface_hub

    def refuse(*_, **__):
        raise ConnectionError("no network\nmore lines")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(InputError, match=r"There is no folder owner/name, and the Hub .*\(no network\)"):
        find_checkpoint("owner/name")


def test_nothing_is_unpickled(folder, monkeypatch):
    marker = folder / "ran"

    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(marker),)

    for name in ("pytorch_model.bin", "model.pt", "training_args.bin"):
        (folder / name).write_bytes(pickle.dumps(Bomb()))

    def refuse(*_, **__):
        raise AssertionError("something was unpickled")

    for module, name in ((pickle, "load"), (pickle, "loads"), (pickle, "Unpickler"), (torch, "load")):
        monkeypatch.setattr(module, name, refuse)
    load_checkpoint(folder)
    (folder / WEIGHTS).write_bytes(b"\x80\x04" + bytes(100))
    refused(folder)
    assert not marker.exists()


def test_a_failed_save_leaves_the_old_checkpoint(tiny_checkpoint, tmp_path):
    net, processor = load_checkpoint(tiny_checkpoint)
    folder = Path(shutil.copytree(tiny_checkpoint, tmp_path / "model"))
    with pytest.raises(TypeError):
        save_checkpoint(folder, net, processor, {"results.json": object()})
    load_checkpoint(folder)


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")
def test_everyone_may_read_what_the_umask_allows(tiny_checkpoint):
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tiny_checkpoint.iterdir()}
    assert len(modes) == 1


def test_saving_does_not_touch_the_model(tiny_checkpoint, tmp_path):
    net, processor = load_checkpoint(tiny_checkpoint)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    save_checkpoint(tmp_path / "model", net, processor)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert {p.dtype for p in net.parameters()} == {torch.float32}


def test_provenance_knows_the_encoder(tiny_checkpoint):
    net, processor = load_checkpoint(tiny_checkpoint)
    made = checkpoint_provenance(read_checkpoint(tiny_checkpoint), "tiny")
    tensors = net.image_encoder.state_dict()
    assert provenance(tensors, "tiny", processor.image_processor) == made  # float32 and 16-bit agree
    name = "cnn.0.weight"
    other = tensors | {name: tensors[name] + 0.01}
    assert provenance(other, "tiny", processor.image_processor)["weights"] != made["weights"]
    json.dumps(made)


def test_importing_the_package_is_cheap():
    code = """
import sys, vqa, vqa.cli
print([name for name in ("torch", "gradio", "timm", "transformers", "numpy", "PIL") if name in sys.modules])
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
