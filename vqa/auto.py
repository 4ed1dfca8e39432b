"""Makes the Auto classes of transformers know Glimpse, without importing transformers before somebody else does.

import vqa
from transformers import AutoConfig

AutoConfig.from_pretrained("a/checkpoint")
"""

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any


def register_config(auto: Any) -> None:
    from vqa.configuration import VQAConfig

    auto.AutoConfig.register(VQAConfig.model_type, VQAConfig, exist_ok=True)


def register_model(auto: Any) -> None:
    from vqa.configuration import VQAConfig
    from vqa.model import VQAModel

    for kind in (auto.AutoModel, auto.AutoModelForVisualQuestionAnswering):
        kind.register(VQAConfig, VQAModel, exist_ok=True)


def register_image_processor(auto: Any) -> None:
    from vqa.configuration import VQAConfig
    from vqa.processing import VQAImageProcessor

    auto.AutoImageProcessor.register(VQAConfig, image_processor_classes={"pil": VQAImageProcessor}, exist_ok=True)


def register_processor(auto: Any) -> None:
    from vqa.configuration import VQAConfig
    from vqa.processing import VQAProcessor

    auto.AutoProcessor.register(VQAConfig, VQAProcessor, exist_ok=True)


REGISTER: dict[str, Callable[[ModuleType], None]] = {
    "transformers.models.auto.configuration_auto": register_config,
    "transformers.models.auto.modeling_auto": register_model,
    "transformers.models.auto.image_processing_auto": register_image_processor,
    "transformers.models.auto.processing_auto": register_processor,
}


class AfterImport:
    """Finds the modules of `REGISTER` as Python would, and registers as soon as one of them has been run."""

    # not derived from importlib.abc.MetaPathFinder, whose import would double the time of `import vqa`

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in REGISTER or (spec := PathFinder.find_spec(fullname, path)) is None or spec.loader is None:
            return None
        run = spec.loader.exec_module

        def run_and_register(module: ModuleType) -> None:
            run(module)
            register_with(module)

        spec.loader.exec_module = run_and_register  # type: ignore[method-assign]
        return spec


def register() -> None:
    """Register with what is imported already, and with the rest when it is imported."""
    if not any(isinstance(finder, AfterImport) for finder in sys.meta_path):
        sys.meta_path.insert(0, AfterImport())
    for name in REGISTER:
        if name in sys.modules:
            register_with(sys.modules[name])


def register_with(module: ModuleType) -> None:
    """Register with one of the modules of `REGISTER`."""
    try:
        REGISTER[module.__name__](module)
    except ModuleNotFoundError as error:
        if error.name != "torch":  # transformers can be used without it, our model cannot
            raise
