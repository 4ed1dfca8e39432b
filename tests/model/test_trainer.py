"""The Trainer of transformers trains the model as it stands: its collators, its checkpoints, its evaluation."""

import json
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch.utils.data import Dataset
from transformers import AutoModelForVisualQuestionAnswering, DataCollatorWithPadding, Trainer, TrainingArguments

from vqa import VQA, VQAConfig, VQAModel, VQAProcessor
from vqa.data.vocabulary import build_tokenizer
from vqa.data.world import write_world
from vqa.model.processing import VQAImageProcessor

SIZE = 32


def lines(world: Path) -> list[dict]:
    return [json.loads(line) for line in (world / "questions.jsonl").read_text().splitlines()]


def answers(world: Path) -> list[str]:
    return sorted({line["answer"] for line in lines(world)})


class Rows(Dataset):
    """Questions about drawn scenes, as the processor gives them; every row by itself, or padded alike."""

    def __init__(self, world: Path, processor: VQAProcessor, padded: bool):
        rows, self.rows = lines(world), []
        together = processor(text=[row["question"] for row in rows])
        for index, row in enumerate(rows):
            one = processor(images=world / "photos" / row["image"], text=row["question"])
            names = ("input_ids", "attention_mask")
            words = {name: together[name][index] if padded else one[name][0] for name in names}
            labels = torch.tensor([float(row["answer"] == answer) for answer in answers(world)])
            self.rows.append({"pixel_values": one["pixel_values"][0], "labels": labels, **words})

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return dict(self.rows[index])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("worlds") / "world"
    write_world(folder, 24, seed=2, questions_per_scene=5, workers=1)
    return folder


@pytest.fixture(scope="module")
def processor(world: Path) -> VQAProcessor:
    return VQAProcessor(VQAImageProcessor(size=SIZE), build_tokenizer(line["question"] for line in lines(world)))


def build(world: Path, processor: VQAProcessor) -> VQAModel:
    torch.manual_seed(0)
    sizes = {"embedding_size": 16, "hidden_size": 32, "attention_size": 16, "fusion_size": 64, "dropout": 0.0}
    labels, words = dict(enumerate(answers(world))), len(processor.tokenizer)
    return VQAModel(VQAConfig(backbone="tiny", image_size=SIZE, vocab_size=words, id2label=labels, **sizes))


def accuracy(predicted) -> dict[str, float]:
    """What a user of the Trainer would write: it is given logits and labels, and nothing else."""
    assert predicted.predictions.shape == predicted.label_ids.shape
    return {"accuracy": float((predicted.predictions.argmax(-1) == predicted.label_ids.argmax(-1)).mean())}


@pytest.mark.parametrize("padded", [True, False])
def test_it_learns_and_what_it_saves_is_a_checkpoint(
    world: Path, processor: VQAProcessor, padded: bool, tmp_path: Path
) -> None:
    rows = Rows(world, processor, padded)
    assert padded or len({len(row["input_ids"]) for row in rows.rows}) > 1
    arguments = TrainingArguments(
        output_dir=str(tmp_path / "run"),
        num_train_epochs=10,
        per_device_train_batch_size=16,
        learning_rate=1e-2,
        logging_steps=4,
        save_steps=80,  # the last
        use_cpu=True,
        report_to=[],
        seed=1,
        disable_tqdm=True,
    )
    trainer = Trainer(
        model=build(world, processor),
        args=arguments,
        train_dataset=rows,
        eval_dataset=rows,
        processing_class=processor,
        data_collator=None if padded else DataCollatorWithPadding(processor.tokenizer),
        compute_metrics=accuracy,
    )
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert losses[-1] < 0.5 * losses[0]
    majority = max(Counter(line["answer"] for line in lines(world)).values()) / len(rows)
    assert trainer.evaluate()["eval_accuracy"] > majority + 0.1

    saved = sorted((tmp_path / "run").glob("checkpoint-*"))[-1]
    trainer.model.eval()
    vqa = VQA.load(saved, "cpu", "float32")
    inputs = {name: value[None] for name, value in rows[0].items()}
    with torch.inference_mode():
        expected = trainer.model(**inputs)
        again = AutoModelForVisualQuestionAnswering.from_pretrained(saved)(**inputs)
        ours = vqa.model(**inputs)
    for found in (again, ours):
        assert torch.allclose(found.logits, expected.logits, atol=1e-5)
        assert torch.allclose(found.loss, expected.loss, atol=1e-5)
    assert vqa.answers == answers(world)
