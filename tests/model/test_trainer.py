"""The Trainer of transformers trains the model as it stands: its collators, its checkpoints, its evaluation."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForVisualQuestionAnswering, DataCollatorWithPadding, Trainer, TrainingArguments

from vqa import VQA, VQAConfig, VQAModel, VQAProcessor
from vqa.data.vocabulary import build_tokenizer
from vqa.model.processing import VQAImageProcessor

SIZE = 32


def accuracy(predicted) -> dict[str, float]:
    """What a user of the Trainer would write: it is given logits and labels, and nothing else."""
    assert predicted.predictions.shape == predicted.label_ids.shape
    return {"accuracy": float((predicted.predictions.argmax(-1) == predicted.label_ids.argmax(-1)).mean())}


@pytest.mark.parametrize("padded", [True, False])
def test_it_learns_and_what_it_saves_is_a_checkpoint(world: Path, padded: bool, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in (world / "questions.jsonl").read_text().splitlines()][:120]
    answers = sorted({line["answer"] for line in lines})
    processor = VQAProcessor(VQAImageProcessor(size=SIZE), build_tokenizer(line["question"] for line in lines))
    together = processor(text=[line["question"] for line in lines])
    rows = []  # as the processor gives them; every row by itself, or padded alike
    for i, line in enumerate(lines):
        alone = processor(images=world / "photos" / line["image"], text=line["question"])
        words = {name: together[name][i] if padded else alone[name][0] for name in ("input_ids", "attention_mask")}
        labels = torch.tensor([float(line["answer"] == answer) for answer in answers])
        rows.append({"pixel_values": alone["pixel_values"][0], "labels": labels, **words})
    assert padded or len({len(row["input_ids"]) for row in rows}) > 1

    torch.manual_seed(0)
    sizes: dict[str, Any] = {"embedding_size": 16, "hidden_size": 32, "attention_size": 16, "fusion_size": 64}
    sizes |= {"vocab_size": len(processor.tokenizer), "id2label": dict(enumerate(answers))}
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
        model=VQAModel(VQAConfig(backbone="tiny", image_size=SIZE, dropout=0.0, **sizes)),
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
    majority = max(Counter(line["answer"] for line in lines).values()) / len(rows)
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
    assert vqa.answers == answers
