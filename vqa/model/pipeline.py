"""The `visual-question-answering` pipeline of transformers, which version 5 left out."""

from collections.abc import Mapping
from itertools import product
from typing import Any

from torch import Tensor
from transformers.image_utils import load_image
from transformers.pipelines.base import Pipeline

from .errors import InputError, reason
from .text import check_known, temperature_for


class VQAPipeline(Pipeline):
    """Questions about images to answers with calibrated scores, best first.

    Taken and given is what the pipeline of transformers 4 took and gave:

        pipe(image="photo.jpg", question="what is on the table?", top_k=2)
        [{"score": 0.41, "answer": "plate"}, {"score": 0.2, "answer": "food"}]

    `{"image": …, "question": …}`, a list, a generator or a data set of these works as well; a list gives a list
    of answers, lists of images and of questions every pair of them. An image is a path, a URL, bytes, a Pillow
    image or an array. Raises `InputError` for a photo or a question that cannot be read.
    """

    _load_processor = True  # which brings the tokenizer and the image processor
    _load_tokenizer = False
    _load_image_processor = False
    _load_feature_extractor = False

    def __call__(self, image: Any, question: Any = None, **options: Any) -> Any:
        """Answer; further options are those of `_sanitize_parameters`, and `batch_size`."""
        if question is None:
            return super().__call__(image, **options)
        if isinstance(image, list) or isinstance(question, list):
            images = image if isinstance(image, list) else [image]
            questions = question if isinstance(question, list) else [question]
            pairs = [{"image": i, "question": q} for q, i in product(questions, images)]
            return super().__call__(pairs, **options)
        return super().__call__({"image": image, "question": question}, **options)

    def _sanitize_parameters(
        self,
        top_k: int | None = None,
        attention: bool | None = None,
        timeout: float | None = None,
        **_: Any,
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """top_k: so many answers, 5 unless said; attention: with the attention maps, nested lists `(G, h, w)`, each
        map summing to 1; timeout: seconds to wait for an image's URL."""
        if top_k is not None and top_k < 1:
            raise InputError(f"The number of answers, top_k, is {top_k}; ask for at least 1.")
        before = {} if timeout is None else {"timeout": timeout}
        after = {"top_k": top_k, "attention": attention}
        return before, {}, {name: value for name, value in after.items() if value is not None}

    def preprocess(self, input_: Any, timeout: float | None = None) -> dict[str, Tensor]:
        """One question about one image to the model's inputs."""
        if not isinstance(input_, Mapping) or not {"image", "question"} <= input_.keys():
            raise InputError("The pipeline takes image=… and question=…, or a dictionary of the two; give both.")
        inputs = self.processor(images=fetched(input_["image"], timeout), text=[input_["question"]])
        check_known(input_["question"], *self.processor.words(input_["question"]))
        inputs["pixel_values"] = inputs["pixel_values"].to(self.dtype)
        return dict(inputs)

    def _forward(self, input_tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        output = self.model(**input_tensors)
        return {"logits": output.logits, "attention": output.attention}

    def postprocess(
        self, model_outputs: dict[str, Tensor], top_k: int = 5, attention: bool = False
    ) -> list[dict[str, Any]]:
        """Logits `(1, A)` to the best answers and their probabilities after temperature scaling (Guo et al. 2017)."""
        config = self.model.config
        logits = model_outputs["logits"][0]
        confidence, first = logits.softmax(-1).max(-1)
        temperature = temperature_for(config, config.answers[int(first)], float(confidence))
        probabilities = (logits / temperature).softmax(-1)
        scores, best = probabilities.topk(min(top_k, len(probabilities)))
        maps = {"attention": model_outputs["attention"][0].float().tolist()} if attention else {}
        pairs = zip(scores.tolist(), best.tolist(), strict=True)
        return [{"score": score, "answer": config.answers[answer]} | maps for score, answer in pairs]


def fetched(image: Any, timeout: float | None) -> Any:
    """An image that a URL names, fetched; every other is returned as it came."""
    if not isinstance(image, str) or not image.startswith(("http://", "https://", "data:image/")):
        return image
    try:
        return load_image(image, timeout=timeout)
    except Exception as error:  # the network raises a dozen types, what came is no image for a few more
        raise InputError(f"There is no image at {image[:100]} ({reason(error):.200}); check the address.") from error
