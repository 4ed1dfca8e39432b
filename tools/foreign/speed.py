"""What an adapter for image-text-to-text costs: the next question about a photo, and a whole evaluation.

    python -m tools.foreign.speed [--model FOLDER] [--questions 1000] [--tokens 576]

Without a model it measures a LLaVA of random weights, of a few million parameters, with as many image tokens as LLaVA
1.5 has; its answers are cut to four tokens, as those of a trained model are short. Prints JSON. On a CPU the seconds
are those of the process, which other programs hardly change: give it one thread by OMP_NUM_THREADS=1.
"""

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from vqa.foreign import decoding
from vqa.foreign.prompts import prompt
from vqa.model.errors import InputError
from vqa.predict import VQA
from vqa.script import run

WORDS = ["<pad>", "<unk>", "<s>", "</s>", "<image>", "what", "is", "on", "the", "table", "?", "color", "how", "many"]
QUESTIONS = ["what is on the table?", "what color is the dog?", "how many?", "is the table red?", "is a dog on it?"]
CHAT = "{% for m in messages %}USER: <image> {{ m['content'][-1]['text'] }} ASSISTANT:{% endfor %}"
ANSWER = 4  # tokens
BATCH = 8  # pairs of photo and question in a batch by hand


def random_llava(folder: Path, tokens: int) -> Path:
    """A LLaVA whose language model has 8 layers of 256 channels."""
    import transformers as t
    from tokenizers import Tokenizer, models, pre_tokenizers

    side = 14 * round(tokens**0.5)
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"hidden_size": 256, "intermediate_size": 688, "num_attention_heads": 4}
    vision = t.CLIPVisionConfig(**sizes, image_size=side, patch_size=14, num_hidden_layers=4)
    ids: dict[str, Any] = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
    text = t.LlamaConfig(**sizes, **ids, num_hidden_layers=8, vocab_size=4096, initializer_range=0.1)
    config = t.LlavaConfig(vision_config=vision, text_config=text, image_token_index=4, vision_feature_layer=-1)
    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, "<unk>"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    marks = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    tokenizer = t.PreTrainedTokenizerFast(
        tokenizer_object=core, extra_special_tokens={"image_token": "<image>"}, padding_side="left", **marks
    )
    images = t.CLIPImageProcessor(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
    more = {"patch_size": 14, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    t.LlavaForConditionalGeneration(config).save_pretrained(folder)
    t.LlavaProcessor(images, tokenizer, chat_template=CHAT, **more).save_pretrained(folder)
    return folder


def seconds(call: Callable[[], Any]) -> float:
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    start = clock()
    call()
    return clock() - start


def by_hand(vqa: Any, photos: list[Image.Image], questions: list[str]) -> None:
    """Greedy answers in batches of pairs, as in the documentation of transformers."""
    net, processor = vqa.adapter.net, vqa.adapter.processor
    for start in range(0, len(photos), BATCH):
        texts = [prompt(processor, vqa.kind, question) for question in questions[start : start + BATCH]]
        inputs = processor(text=texts, images=photos[start : start + BATCH], return_tensors="pt", padding=True)
        with torch.inference_mode():
            net.generate(**inputs.to(net.device), do_sample=False, max_new_tokens=ANSWER)


def memory() -> float:
    """The most memory so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(vqa: Any, count: int) -> dict[str, Any]:
    generator = np.random.default_rng(0)

    def photo() -> Image.Image:
        return Image.fromarray(generator.integers(0, 256, (240, 320, 3), dtype=np.uint8))

    vqa.ask(photo(), QUESTIONS[0])  # a photo to warm up with, and the grey one
    anew, following = [], []
    for _ in range(5):
        new = photo()
        anew.append(seconds(partial(vqa.ask_many, new, QUESTIONS[:1], 1, blind=False)))
        following.append(seconds(partial(vqa.ask_many, new, QUESTIONS[1:2], 1, blind=False)))
    photos = [photo() for _ in range(count // len(QUESTIONS))]
    before = memory()
    peaks, adapter = [], 0.0
    for number, new in enumerate(photos):
        adapter += seconds(partial(vqa.ask_many, new, QUESTIONS, 3))
        if number in (len(photos) // 4, len(photos) - 1):
            peaks.append(memory())
    pairs = [(new, question) for new in photos for question in QUESTIONS]
    hand = seconds(lambda: by_hand(vqa, *map(list, zip(*pairs, strict=True))))
    tokens = len(vqa.look(photos[-1]).encoded.places)
    return {
        "model": vqa.name,
        "device": str(vqa.device),
        "threads": torch.get_num_threads(),
        "image_tokens": tokens,
        "new_photo_seconds": round(statistics.median(anew), 4),
        "next_question_seconds": round(statistics.median(following), 4),
        "times_faster": round(statistics.median(anew) / statistics.median(following), 1),
        "questions": len(pairs),
        "adapter_seconds": round(adapter, 1),
        "by_hand_seconds": round(hand, 1),
        "adapter_above_by_hand_percent": round(100 * (adapter / hand - 1), 1),
        "memory_mib": {"before": round(before), "after a quarter": round(peaks[0]), "after all": round(peaks[-1])},
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.foreign.speed", description=__doc__.split("\n")[0])
    parser.add_argument("--model", help="a folder or Hub id of a model for image-text-to-text")
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--tokens", type=int, default=576, help="image tokens of the random model")
    parser.add_argument("--device", default="auto")
    return run(parser, compare)


def compare(given: argparse.Namespace) -> None:
    if given.questions < len(QUESTIONS):
        raise InputError(f"--questions is {given.questions}; give at least {len(QUESTIONS)}.")
    decoding.LONGEST = ANSWER
    with tempfile.TemporaryDirectory() as folder:
        model = given.model or random_llava(Path(folder) / "llava", given.tokens)
        vqa: Any = VQA.load(model, given.device, "float32")
        vqa.name = given.model or "random LLaVA"
        print(json.dumps(measure(vqa, given.questions), indent=1))


if __name__ == "__main__":
    raise SystemExit(main())
