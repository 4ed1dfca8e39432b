"""Train a question-answering model: encoders, attention, fusion, answer head and the two baseline heads.

    python -m train.fit --config train/configs/coco.yaml [--optim.epochs 3] [--resume]
    torchrun --nproc-per-node 4 -m train.fit --config …           # several processes

Up to three tasks in turn (`train.fitting.tasks`): the question encoder is pretrained on questions without photos, with
`data.text`; the model learns to answer; with everything else frozen, the question-only and image-only heads learn. At
the end the confidence is calibrated, the validation questions are scored, and the checkpoint `best/` is written.
"""

import json
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from torch import nn

from train.fitting.distillation import mean_probabilities
from train.fitting.finish import finish
from train.fitting.loop import Run
from train.fitting.prepare import Prepared, prepare
from train.fitting.settings import Settings, parse
from train.fitting.surgery import mean_weights
from train.fitting.tasks import AnswerTask, BaselineTask, TextTask, lower_yes
from vqa.data.files import locked
from vqa.script import report


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""

    def command() -> None:
        try:
            content = fit(parse(arguments))
        except KeyboardInterrupt:
            print("Interrupted; the same command with --resume continues from the last saved step.", file=sys.stderr)
            raise
        if content:
            print(json.dumps({key: content[key] for key in ("n", "metrics", "baselines", "calibration")}, indent=1))

    return report("python -m train.fit", command)


def fit(settings: Settings) -> dict[str, Any]:
    """Train, and write the checkpoint to `best/`; returns the content of its `results.json` (of several processes only
    the main one does both). No other run can write to the folder meanwhile."""
    folder = Path(settings.output)
    with locked(folder) if int(os.environ.get("RANK", 0)) == 0 else nullcontext():
        run = Run(folder, settings.optim, settings.seed, settings.fingerprint(), settings.resume)
        data, accelerator = prepare(settings), run.accelerator
        accelerator.print("\n".join(data.messages))
        if settings.average:
            data.net = mean_weights(data.net, settings.average)
        else:
            learn(run, data, settings)
        run.close()
        if settings.optim.presence_offset:
            nn.Module.to(data.net, accelerator.device)
            lower_yes(BaselineTask(data, settings), settings.optim.presence_offset)
        content = finish(data, settings, folder / "best") if accelerator.is_main_process else {}
        accelerator.wait_for_everyone()
    return content


def learn(run: Run, data: Prepared, settings: Settings) -> None:
    """Train the tasks in turn."""
    accelerator = run.accelerator
    process = accelerator.process_index, accelerator.num_processes
    if data.text is not None:
        run.train(TextTask(data, settings, *process))
    if data.teachers and AnswerTask.name not in run.done:
        with accelerator.autocast():
            data.train.soft_targets = mean_probabilities(
                data.teachers, data.train, data.train_photos, settings.optim.batch_size, accelerator.device
            )
    run.train(AnswerTask(data, settings, *process))
    data.train.soft_targets = None
    run.train(BaselineTask(data, settings, *process))


if __name__ == "__main__":
    raise SystemExit(main())
