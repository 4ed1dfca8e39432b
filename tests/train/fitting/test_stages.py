"""The image encoder in two parts."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.fitted import Fitted
from train.extract_features import main as extract
from train.fit import main
from train.fitting.stages import first_stages, later_stages, stages_made_by, stored_shape
from vqa.model.errors import InputError
from vqa.model.image_encoder import ImageEncoder
from vqa.model.processing import VQAImageProcessor


@pytest.mark.parametrize(
    ("backbone", "size", "count", "shape"),
    [("tiny", 32, 4, (256, 24)), ("timm:tf_efficientnet_lite0", 64, 6, (16, 80))],
)
def test_both_parts_together_are_the_encoder(backbone: str, size: int, count: int, shape: tuple[int, int]) -> None:
    encoder, pixels = ImageEncoder(backbone, size).eval(), torch.rand(2, 3, size, size)
    assert stored_shape(encoder, size, count) == shape
    stored = first_stages(encoder, pixels, count)
    assert stored.shape == (2, *shape)
    torch.testing.assert_close(later_stages(encoder, stored, count), encoder(pixels), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("count", [0, 99])
def test_an_encoder_that_cannot_be_split_is_reported(count: int) -> None:
    with pytest.raises(InputError, match=f"cannot be split after {count} of its"):
        stored_shape(ImageEncoder("tiny", 32).eval(), 32, count)


def test_what_stages_compute_depends_on_their_own_weights_only() -> None:
    encoder, reader = ImageEncoder("tiny", 32), VQAImageProcessor(32)
    before = [stages_made_by(encoder, count, "tiny", reader) for count in (4, 8)]
    with torch.no_grad():
        next(encoder.stages()[5].parameters()).add_(1)
    assert stages_made_by(encoder, 4, "tiny", reader) == before[0]
    assert stages_made_by(encoder, 8, "tiny", reader)["weights"] != before[1]["weights"]


def test_a_run_from_stored_stages(world: Path, fitted: Fitted, tmp_path: Path) -> None:
    """The later stages of a finished model's encoder are trained and its first ones are not."""
    start, config = fitted.folder / "best", tmp_path / "run.yaml"
    store = ["--pretrained", str(start), "--images", str(world / "photos"), "--stages", "8", "--bits", "16"]
    store += ["--backbone", "tiny", "--image-size", "64"]
    assert extract([*store, "--output", str(tmp_path / "stages")]) == 0
    config.write_text(f"""
start: {start}
data: {{train: [{world}/questions.jsonl], images: [{world}/photos], holdout: 0.2, validation_share: 0.2,
  features: {tmp_path}/stages}}
optim: {{epochs: 1, head_epochs: 1, batch_size: 32, frozen_stages: 8}}
""")
    assert main([f"--config={config}", f"--output={tmp_path}/run"]) == 0
    before, after = (load_file(folder / "model.safetensors") for folder in (start, tmp_path / "run/best"))
    changed = {name for name in before if "image_encoder" in name and not torch.equal(before[name], after[name])}
    assert changed and all(int(name.split(".")[2]) >= 8 for name in changed), changed
