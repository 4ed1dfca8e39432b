import json
import os
import pickle
import stat
import subprocess
import sys
from functools import partial
from unittest.mock import Mock

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.data.refusal import refusal
from vqa.checkpoint.find import read_checkpoint
from vqa.checkpoint.load import WEIGHTS, find_checkpoint, load_checkpoint
from vqa.checkpoint.provenance import checkpoint_provenance, provenance
from vqa.checkpoint.save import save_checkpoint
from vqa.checkpoint.weights import finite, half
from vqa.model.errors import InputError

TENSOR = "fusion.project_a.weight"
assert_same = partial(torch.testing.assert_close, rtol=0, atol=0)


def test_round_trip_at_16_bits(tiny_checkpoint, tmp_path):
    net, processor = load_checkpoint(tiny_checkpoint)
    assert not net.training
    saved = load_file(tiny_checkpoint / WEIGHTS)
    assert {t.dtype for t in saved.values() if t.is_floating_point()} == {torch.float16}
    save_checkpoint(tmp_path / "again", net, processor, {"results.json": {"answer": "café"}})
    assert_same(load_file(tmp_path / "again" / WEIGHTS), saved)
    assert_same(net.state_dict(), {name: t.float() if t.is_floating_point() else t for name, t in saved.items()})
    assert json.loads((tmp_path / "again" / "results.json").read_text(encoding="utf-8")) == {"answer": "café"}
    assert load_checkpoint(tmp_path / "again")[0].config.id2label == net.config.id2label
    assert net.config.id2label[4] == "teddy bear"  # type: ignore[index]


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
        (lambda tensors: tensors.update({TENSOR: tensors[TENSOR].to(torch.complex64)}), f"type, tensor {TENSOR};"),
        (lambda tensors: tensors[TENSOR].view(-1)[:1].fill_(torch.nan), f"undefined or infinite weights in {TENSOR};"),
        (lambda tensors: tensors.update({TENSOR: tensors[TENSOR].double() + 1e300}), f"infinite weights in {TENSOR};"),
    ],
)
def test_wrong_tensors_are_reported(folder, change, message):
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS)
    assert message in refusal(load_checkpoint, folder)


@pytest.mark.parametrize("name", ["config.json", WEIGHTS, "processor_config.json", "tokenizer.json"])
def test_a_missing_file_is_reported(folder, name):
    (folder / name).unlink()
    assert f"has no {name};" in refusal(load_checkpoint, folder)


def test_broken_weights_are_reported(folder):
    whole = (folder / WEIGHTS).read_bytes()
    for content in (b"", b"garbage", whole[: len(whole) // 2], bytes(range(256)) * 40):
        (folder / WEIGHTS).write_bytes(content)
        assert WEIGHTS in refusal(load_checkpoint, folder)


@pytest.mark.parametrize("name", ["config.json", "processor_config.json", "tokenizer.json"])
@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"model_type": 3}', "\udcff"])
def test_broken_json_is_reported(folder, name, content):
    (folder / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    assert str(folder) in refusal(load_checkpoint, folder)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("config", lambda c: c.update(model_type="bert"), "not of model type 'glimpse'"),
        ("config", lambda c: c.update(hidden_size=24), "in another shape"),
        ("config", lambda c: c.update(backbone="timm:no_such_net"), "timm has no model"),
        ("config", lambda c: c.update(backbone="vgg"), "vgg"),
        ("config", lambda c: c.update(attention="sparse"), "sparse"),
        ("config", lambda c: c.update(hidden_size="many"), "cannot be read"),
        ("config", lambda c: c.update(embedding_size=-3), "cannot be read"),
        ("config", lambda c: c.update(num_layers=9), "1 to 4 layers"),
        ("config", lambda c: c.update(image_size=2), "cannot read 2-pixel photos"),
        ("config", lambda c: c.update(recurrent_cell="qrnn"), "qrnn"),
        ("processor_config", lambda c: c["image_processor"].update(size=96), "does not belong to its config.json"),
        ("tokenizer", lambda c: c["model"]["vocab"].update(zebra=99), "does not belong to its config.json"),
    ],
)
def test_wrong_settings_are_reported(folder, name, change, message):
    content = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    change(content)
    (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    assert message in refusal(load_checkpoint, folder)


@pytest.mark.parametrize("name", ["no/such/folder", "./missing", "/missing", "missing", "a" * 5000])
def test_a_folder_that_is_not_there_is_reported(name):
    with pytest.raises(InputError, match="There is no model folder"):
        find_checkpoint(name)


def test_the_hub_s_refusal_is_reported(monkeypatch):
    monkeypatch.setattr("huggingface_hub.snapshot_download", Mock(side_effect=ConnectionError("no network\nmore")))
    message = refusal(find_checkpoint, "owner/name")
    assert message.startswith("There is no folder owner/name, and the Hub ") and "(no network)" in message


def test_nothing_is_unpickled(folder, monkeypatch):
    marker = folder / "ran"

    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(marker),)

    for name in ("pytorch_model.bin", "model.pt", "training_args.bin"):
        (folder / name).write_bytes(pickle.dumps(Bomb()))

    for module, name in ((pickle, "load"), (pickle, "loads"), (pickle, "Unpickler"), (torch, "load")):
        monkeypatch.setattr(module, name, Mock(side_effect=AssertionError("something was unpickled")))
    load_checkpoint(folder)
    (folder / WEIGHTS).write_bytes(b"\x80\x04" + bytes(100))
    refusal(load_checkpoint, folder)
    assert not marker.exists()


def test_a_failed_save_leaves_the_old_checkpoint(folder):
    with pytest.raises(TypeError):
        save_checkpoint(folder, *load_checkpoint(folder), {"results.json": object()})
    load_checkpoint(folder)


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")
def test_everyone_may_read_what_the_umask_allows(tiny_checkpoint):
    assert len({stat.S_IMODE(path.stat().st_mode) for path in tiny_checkpoint.iterdir()}) == 1


def test_provenance_knows_the_encoder(tiny_checkpoint):
    net, processor = load_checkpoint(tiny_checkpoint)
    made = checkpoint_provenance(read_checkpoint(tiny_checkpoint), "tiny")
    tensors = net.image_encoder.state_dict()
    assert provenance(tensors, "tiny", processor.image_processor) == made  # float32 and 16-bit agree
    other = tensors | {"cnn.0.weight": tensors["cnn.0.weight"] + 0.01}
    assert provenance(other, "tiny", processor.image_processor)["weights"] != made["weights"]
    json.dumps(made)


def test_importing_the_package_is_cheap():
    code = """
import sys, vqa, vqa.cli, vqa.evaluation
print([name for name in ("torch", "gradio", "timm", "transformers", "numpy", "PIL") if name in sys.modules])
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
