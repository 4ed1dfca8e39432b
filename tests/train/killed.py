"""A training that is killed and resumed."""

from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file

from train.fitting import loop


class Killed(BaseException):
    """What no code catches."""


def whole_and_resumed(
    main: Callable[[list[str]], int], flags: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[dict, dict]:
    """The weights of an unbroken run, and of one that was killed in an epoch, after its third saved state, and resumed,
    in `folder / "killed"`. flags: all but the folder, which follows the last."""
    assert main([*flags, str(folder / "whole")]) == 0
    save, count = loop.save_state, []

    def kill(*arguments: object) -> None:
        save(*arguments)  # type: ignore[arg-type]
        count.append(1)
        if len(count) == 3:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(loop, "save_state", kill)
        patch.setattr(loop, "SAVE_SECONDS", 0.0)
        with pytest.raises(Killed):
            main([*flags, str(folder / "killed")])
    assert main([*flags, str(folder / "killed"), "--resume"]) == 0
    whole, resumed = (load_file(folder / name / "best/model.safetensors") for name in ("whole", "killed"))
    return whole, resumed
