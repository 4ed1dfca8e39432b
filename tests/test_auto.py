"""After `import vqa`, in whatever order, transformers' Auto classes know a checkpoint."""

import subprocess
import sys
from pathlib import Path

import pytest
import transformers

import vqa
from vqa import auto

KINDS = ("AutoConfig", "AutoModelForVisualQuestionAnswering", "AutoModel", "AutoProcessor", "AutoImageProcessor")


def run(code: str, *arguments: str | Path) -> str:
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("imports", "kind"),
    [
        ("import vqa; from transformers import AutoConfig as Auto", "VQAConfig"),
        ("from transformers import AutoConfig as Auto; import vqa", "VQAConfig"),
        ("from transformers import AutoModel as Auto; import vqa", "VQAModel"),
    ],
)
def test_every_order_of_imports_works(imports: str, kind: str, tiny_checkpoint: Path) -> None:
    found = run(f"{imports}; import sys; print(type(Auto.from_pretrained(sys.argv[1])))", tiny_checkpoint)
    assert found.startswith("<class 'vqa.") and found.endswith(f".{kind}'>")


@pytest.mark.parametrize("trust", [None, False, True])
def test_every_auto_class_gives_the_package_s_own(tiny_checkpoint: Path, trust: bool | None) -> None:
    kinds = [getattr(transformers, name).from_pretrained(tiny_checkpoint, trust_remote_code=trust) for name in KINDS]
    expected = ["VQAConfig", "VQAModel", "VQAModel", "VQAProcessor", "VQAImageProcessor"]
    assert [type(kind).__name__ for kind in kinds] == expected
    assert all(type(kind).__module__.startswith("vqa.") for kind in kinds)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_checkpoint, trust_remote_code=trust)
    assert tokenizer.get_vocab() == kinds[3].tokenizer.get_vocab()


def test_a_model_can_be_made_from_a_configuration() -> None:
    config = transformers.AutoConfig.for_model("glimpse", backbone="tiny", image_size=32, id2label={0: "yes", 1: "no"})
    assert isinstance(config, vqa.VQAConfig)
    assert isinstance(transformers.AutoModelForVisualQuestionAnswering.from_config(config), vqa.VQAModel)


def test_registering_twice_changes_nothing() -> None:
    before = list(sys.meta_path)
    auto.register()
    assert sys.meta_path == before


def test_what_torch_keeps_away_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(name: str):
        def register(_: object) -> None:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)

        return register

    monkeypatch.setitem(auto.REGISTER, "json", without("torch"))
    auto.register_with(sys.modules["json"])
    monkeypatch.setitem(auto.REGISTER, "json", without("numpy"))
    with pytest.raises(ModuleNotFoundError):
        auto.register_with(sys.modules["json"])
