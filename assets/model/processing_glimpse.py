"""Photos and questions to tensors, and answers back to words.

Written by Glimpse (`python -m vqa.refresh`) from vqa.answer, vqa.data.photos, vqa.pipeline, vqa.processing,
vqa.reading.
"""

import io
import re
import unicodedata
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import BmpImagePlugin, GifImagePlugin, Image, JpegImagePlugin, PngImagePlugin, WebPImagePlugin
from tokenizers import Tokenizer
from torch import Tensor
from transformers.image_processing_utils import BaseImageProcessor, BatchFeature
from transformers.image_utils import load_image
from transformers.pipelines.base import Pipeline
from transformers.processing_utils import ProcessorMixin
from transformers.tokenization_utils_tokenizers import PreTrainedTokenizerFast

from .configuration_glimpse import InputError

MAX_PIXELS = 64_000_000
MAX_BYTES = 64 << 20
PAPER = (255, 255, 255)  # what shows through where a photo is transparent

# How a file of each format begins, and what reads its header. `Image.open` would do the same, but it also
# applies a limit that is global to Pillow, which any other part of a program may have set or lifted.
_HEADERS = {
    rb"\xff\xd8\xff": JpegImagePlugin.jpeg_factory,
    rb"\x89PNG\r\n\x1a\n": PngImagePlugin.PngImageFile,
    rb"RIFF....WEBP": WebPImagePlugin.WebPImageFile,
    rb"BM": BmpImagePlugin.BmpImageFile,
    rb"GIF8[79]a": GifImagePlugin.GifImageFile,
}

_ORIENTATION = 0x0112  # the EXIF tag
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def open_photo(source: Any, shortest_side: int | None = None) -> Image.Image:
    """A photo in RGB, upright as its EXIF tag says, on white where transparent; an animation's first frame.

    Args:
        source: a path, bytes, an open binary file, a Pillow image, or an array `(H, W)`, `(H, W, 3)` or
            `(H, W, 4)` of bytes.
        shortest_side: a hint in pixels: a larger JPEG may come out smaller, its shorter side not below
            this, which decodes several times faster.

    Returns:
        A new image without metadata: nothing of the file but its pixels goes on.

    Raises:
        InputError: it is missing, empty, too large (64 million pixels or 64 MB), broken, or no JPEG, PNG,
            WebP, BMP or GIF. The size is read from the header, before anything is decoded.
    """
    name = _name(source)
    try:
        if isinstance(source, Image.Image):
            _check_size(*source.size, name)
            return _upright_rgb(source)
        if isinstance(source, np.ndarray):
            return _upright_rgb(_from_array(source))
        image = _read_header(_read(source, name), name)
        _check_size(*image.size, name)
        if shortest_side is not None:
            image.draft("RGB", (shortest_side, shortest_side))
        return _upright_rgb(image)
    except InputError:
        raise
    except Exception as error:  # broken bytes lead Pillow's decoders to raise anything
        reason = str(error).strip().rstrip(".").split("\n")[0] or type(error).__name__
        raise InputError(f"{name} is damaged or cut short ({reason}); copy or save it again.") from error


def _name(source: object) -> str:
    """What to call the photo in a message."""
    return str(Path(source)) if isinstance(source, str | Path) else "The photo"


def _read(source: Any, name: str) -> bytes:
    """The photo's bytes, not empty and not too many."""
    if isinstance(source, bytes | bytearray | memoryview):
        content: Any = bytes(source)
    elif isinstance(source, str | Path):
        content = _read_path(Path(source), name)
    elif hasattr(source, "read"):
        try:
            content = source.read(MAX_BYTES + 1)
        except (OSError, ValueError) as error:
            raise InputError(f"The photo's file cannot be read ({error}); open it with mode 'rb'.") from error
        if not isinstance(content, bytes):
            raise InputError("The photo's file is open as text; open it with mode 'rb'.")
    else:
        kind = type(source).__name__
        raise InputError(f"A photo is a path, bytes, a file, an image or an array, not {kind}; give one of these.")
    if not content:
        raise InputError(f"{name} is empty; copy or save it again.")
    if len(content) > MAX_BYTES:
        raise InputError(f"{name} has more than {MAX_BYTES >> 20} MB; scale it down first.")
    return content


def _read_path(path: Path, name: str) -> bytes:
    try:
        if path.is_dir():
            raise InputError(f"{name} is a folder; name a photo in it.")
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise InputError(f"There is no photo {name}; check its name and place.") from error
    except OSError as error:
        raise InputError(f"{name[:200]} cannot be read ({error.strerror}); check its name and rights.") from error
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{name[:200]!r} cannot be the name of a photo ({error}); check it.") from error


def _read_header(content: bytes, name: str) -> Image.Image:
    """The image with its size and mode, not decoded yet."""
    for start, read in _HEADERS.items():
        if re.match(start, content, re.DOTALL):
            return read(io.BytesIO(content), "")
    raise InputError(f"{name} is not a JPEG, PNG, WebP, BMP or GIF image; save it as one of these.")


def _from_array(array: np.ndarray) -> Image.Image:
    if array.dtype != np.uint8 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise InputError(
            "A photo as an array is (H, W), (H, W, 3) or (H, W, 4) of bytes, "
            f"not {array.shape} of {array.dtype}; convert it first."
        )
    _check_size(array.shape[1], array.shape[0], "The photo")
    return Image.fromarray(array)


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS:
        raise InputError(f"{name} has {width:,} x {height:,} pixels, more than {MAX_PIXELS:,}; scale it down first.")
    if width < 1 or height < 1:
        raise InputError(f"{name} has no pixels; save it again.")


def _upright_rgb(image: Image.Image) -> Image.Image:
    turn = _UPRIGHT.get(_orientation(image))
    if image.mode.startswith("I;16"):  # 16-bit grey, which Pillow would cut off at 255
        rgb = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    elif image.has_transparency_data:
        rgba = image.convert("RGBA")
        rgb = Image.new("RGB", image.size, PAPER)
        rgb.paste(rgba, mask=rgba)
    else:
        rgb = image.convert("RGB")
    rgb.info.clear()  # an orientation left there would turn the photo once more when it is opened again
    return rgb if turn is None else rgb.transpose(turn)


def _orientation(image: Image.Image) -> Any:
    try:
        return image.getexif().get(_ORIENTATION)
    except Exception:  # broken metadata, as of a photo edited by careless software, is no reason to refuse it
        return None


MAX_QUESTION_CHARACTERS = 300


def square(photo: Any, size: int) -> np.ndarray:
    """Any photo that `open_photo` takes, resized whole to `(S, S, 3)` bytes."""
    image = open_photo(photo, shortest_side=size)
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return np.asarray(image)


def encode(tokenizer: Tokenizer, questions: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Questions to `input_ids` and `attention_mask`, each `(B, T)` int64 with T the longest question's words.

    Raises `InputError` for a question without words or with too many characters.
    """
    encodings = tokenizer.encode_batch([check_question(q) for q in questions])
    for question, encoding in zip(questions, encodings, strict=True):
        if not encoding.ids:
            raise InputError(f"The question {short(question)} has no words; ask in plain words.")
    lengths = np.array([len(encoding.ids) for encoding in encodings])
    mask = np.arange(lengths.max()) < lengths[:, None]
    input_ids = np.zeros(mask.shape, np.int64)
    input_ids[mask] = [i for encoding in encodings for i in encoding.ids]
    return input_ids, mask.astype(np.int64)


def words(tokenizer: Tokenizer, question: str) -> tuple[list[str], list[str]]:
    """The question's words as the model reads them, one a step, and those among them that are unknown."""
    question = unicodedata.normalize("NFC", question)  # an accent typed apart stays with its letter
    encoding = tokenizer.encode(question)
    found = [question[start:end] for start, end in encoding.offsets]
    unknown = tokenizer.token_to_id(tokenizer.model.unk_token)
    return found, [word for word, i in zip(found, encoding.ids, strict=True) if i == unknown]


def check_known(question: str, found: Sequence[str], unknown: Sequence[str]) -> None:
    """Raise an `InputError` if the model knows none of a question's words; these two are what `words` gives."""
    if len(unknown) == len(found):
        raise InputError(f"The model knows none of the words in {short(question)}; ask in plain English words.")


def check_question(question: str) -> str:
    """The question itself, or an `InputError` that says why it cannot be asked."""
    if not isinstance(question, str):
        raise InputError(f"A question is text, not {type(question).__name__}; ask in plain words.")
    if len(question) > MAX_QUESTION_CHARACTERS:
        raise InputError(
            f"The question has {len(question):,} characters; at most {MAX_QUESTION_CHARACTERS} can be read, "
            "so ask it more briefly."
        )
    if any("\ud800" <= character <= "\udfff" for character in question):  # bytes that were no UTF-8
        raise InputError(f"The question {short(question)} cannot be read as text; type it again as UTF-8.")
    if not question.strip():
        raise InputError("The question is empty; ask in plain words, such as 'what is on the table?'.")
    return question


def short(text: str, length: int = 40) -> str:
    """`text` in quotes, cut for a message."""
    return repr(text if len(text) <= length else text[: length - 1] + "…")


class VQAImageProcessor(BaseImageProcessor):
    """Resizes a photo whole to the model's square (no crop: attention must map back to the whole photo) and
    normalises it.

    size: side of the square in pixels; image_mean, image_std: on the 0-1 scale, a number for all channels or
        three.
    """

    model_input_names = ["pixel_values"]  # noqa: RUF012 (as in the base class)

    def __init__(
        self,
        size: int = 224,
        image_mean: float | Sequence[float] = 0.5,
        image_std: float | Sequence[float] = 0.5,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.size, self.image_mean, self.image_std = size, image_mean, image_std

    def square(self, photo: Any) -> np.ndarray:
        """Any photo that `open_photo` takes, as `(S, S, 3)` bytes."""
        return square(photo, self.size)

    def normalize(self, squares: Tensor) -> Tensor:  # type: ignore[override]
        """Bytes `(P, S, S, 3)` to float32 `(P, 3, S, S)` in channels-last memory, a CNN's fastest."""
        scale = (self.image_mean, self.image_std)
        mean, std = (torch.as_tensor(x, device=squares.device) * 255 for x in scale)
        return ((squares - mean) / std).permute(0, 3, 1, 2)

    def preprocess(self, images: Any, return_tensors: str | None = "pt", **_: Any) -> BatchFeature:
        """One photo or a list of them to `pixel_values (P, 3, S, S)`."""
        photos = images if isinstance(images, list | tuple) else [images]
        squares = torch.from_numpy(np.stack([self.square(photo) for photo in photos]))
        return BatchFeature({"pixel_values": self.normalize(squares)}, tensor_type=return_tensors)

    def to_dict(self) -> dict[str, Any]:
        return {
            "image_processor_type": type(self).__name__,
            "auto_map": {"AutoImageProcessor": "processing_glimpse.VQAImageProcessor"},
            "size": self.size,
            "image_mean": self.image_mean,
            "image_std": self.image_std,
        }


class VQAProcessor(ProcessorMixin):
    """`processor(images=photo, text=question)` gives the model's inputs."""

    def __init__(self, image_processor: VQAImageProcessor, tokenizer: PreTrainedTokenizerFast, **_: Any):
        super().__init__(image_processor, tokenizer)

    @classmethod
    def _get_arguments_from_pretrained(
        cls, pretrained_model_name_or_path: str, processor_dict: dict | None = None, **kwargs: Any
    ) -> list:
        folder = pretrained_model_name_or_path
        image_processor = VQAImageProcessor.from_pretrained(folder, **kwargs)
        return [image_processor, PreTrainedTokenizerFast.from_pretrained(folder, **kwargs)]

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"auto_map": {"AutoProcessor": "processing_glimpse.VQAProcessor"}}

    def __call__(self, images: Any = None, text: str | Sequence[str] | None = None, **kwargs: Any) -> BatchFeature:
        """Returns `pixel_values`, `input_ids` and `attention_mask`, whichever were given, and for several questions
        about one photo `photo_index`. Raises `InputError` for another number of photos than of questions."""
        data: dict[str, Tensor] = {}
        if images is not None:
            data |= self.image_processor(images)
        if text is not None:
            questions = [text] if isinstance(text, str) else list(text)
            data["input_ids"], data["attention_mask"] = self.encode(questions)
        if images is not None and text is not None and (photos := len(data["pixel_values"])) != len(questions):
            if photos != 1:
                told = f"There are {photos} photos and {len(questions)} questions"
                raise InputError(f"{told}; give a photo for each question, or one for all.")
            data["photo_index"] = torch.zeros(len(questions), dtype=torch.long)
        return BatchFeature(data)

    def encode(self, questions: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Questions to `input_ids` and `attention_mask`, each `(B, T)` with T the longest question's words.

        Raises `InputError` for a question without words or with too many characters.
        """
        input_ids, mask = encode(self.tokenizer.backend_tokenizer, questions)
        return torch.from_numpy(input_ids), torch.from_numpy(mask)

    def words(self, question: str) -> tuple[list[str], list[str]]:
        """The question's words as the model reads them, one a step, and those among them that are unknown."""
        return words(self.tokenizer.backend_tokenizer, question)

    @property
    def model_input_names(self) -> list[str]:
        return ["input_ids", "attention_mask", "pixel_values"]


YES_NO = ("yes", "no")


def temperature_for(config: Any, answer: str) -> float:
    """What the logits are divided by where `answer` is the best (see `VQAConfig`)."""
    own = config.yes_no_temperature if answer in YES_NO else None
    return config.temperature if own is None else own


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
        temperature = temperature_for(config, config.answers[int(logits.argmax())])
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
        reason = str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
        raise InputError(f"There is no image at {image[:100]} ({reason[:200]}); check the address.") from error
