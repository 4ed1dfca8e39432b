"""A training that is killed and resumed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from train.fitting import loop


class Killed(BaseException):
    """What no code catches."""


@contextmanager
def killed(when: Callable[[dict], bool], error: type[BaseException] = KeyboardInterrupt) -> Iterator[None]:
    """Runs save their state after every step, and `error` is raised once `when(facts)` holds for a saved state."""
    save = loop.save_state

    def save_and_stop(*state: object) -> None:
        save(*state)  # type: ignore[arg-type]
        if when(state[-1]):  # type: ignore[arg-type]
            raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "save_state", save_and_stop)
        patch.setattr(loop, "SAVE_SECONDS", 0.0)
        yield


def assert_resumes(main: Callable[[list[str]], int], flags: list[str], folder: Path) -> None:
    """An unbroken run ends in the weights of one, in `folder / "killed"`, that was killed in an epoch, after its third
    saved state, and resumed. flags: all but the folder, which follows the last."""
    assert main([*flags, str(folder / "whole")]) == 0
    saves = iter(range(3))
    with killed(lambda facts: next(saves) == 2, Killed), pytest.raises(Killed):
        main([*flags, str(folder / "killed")])
    assert main([*flags, str(folder / "killed"), "--resume"]) == 0
    whole, resumed = ((folder / name / "best/model.safetensors").read_bytes() for name in ("whole", "killed"))
    assert whole == resumed
