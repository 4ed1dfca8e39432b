"""Training by several processes, as `torchrun` starts them."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen

import torch
from safetensors.torch import load_file

from tests.fitted import Flags
from tests.train.refused import refused
from tests.ui.conftest import free_port

# Nothing random, and no statistics of a batch: then the processes compute together what one computes.
STEADY = ("--data.text=null", "--optim.augment=false", "--model.dropout=0")
STEADY += ("--optim.frozen_stages=15", "--optim.epochs=1", "--optim.head_epochs=1", "--optim.optimizer=adamax")


def run(processes: int, arguments: Sequence[str]) -> list[tuple[int, str]]:
    """Exit code and errors of each process."""
    shared = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    shared |= {"OMP_NUM_THREADS": "1", "LOCAL_WORLD_SIZE": str(processes)}
    command = [sys.executable, "-m", "train.fit", *arguments]
    each = [os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)]
    started = [Popen(command, env=env, stdout=DEVNULL, stderr=PIPE, text=True) for env in each]
    errors = [process.communicate()[1] for process in started]
    return [(process.returncode, error) for process, error in zip(started, errors, strict=True)]


def test_two_processes_learn_what_one_learns_from_the_same_global_batch(flags: Flags, tmp_path: Path) -> None:
    """The last batches of the two differ in size."""
    from train.fit import main

    assert main([*flags(tmp_path / "one", *STEADY)]) == 0
    done = run(2, flags(tmp_path / "two", *STEADY, "--optim.batch_size=16"))
    assert [code for code, _ in done] == [0, 0], done
    one, two = (load_file(tmp_path / name / "best/model.safetensors") for name in ("one", "two"))
    for name, value in one.items():
        assert torch.allclose(value.float(), two[name].float(), atol=2e-3), name
    resumed = flags(tmp_path / "two", *STEADY, "--optim.batch_size=16", "--resume")
    assert "was started with other settings of 'processes'" in refused(main, *resumed)
