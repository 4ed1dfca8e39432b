"""Very small models for image-text-to-text with random weights, on the real classes of transformers.

Each is a function that saves a complete folder: model, processor, and a tokenizer of whole words.
"""

from pathlib import Path
from typing import Any

import torch
import transformers as t
from tokenizers import Tokenizer, models, pre_tokenizers

MARKS = ["<pad>", "<unk>", "<s>", "</s>", "<image>", "<boi>", "<eoi>", "<video>", "<fake>", "<global-img>", "<eou>"]
MARKS += ["<vision>", "</vision>", "<row_1_col_1>", "<row_1_col_2>", "<row_2_col_1>", "<row_2_col_2>", "<VQA>"]
WORDS = """what is on the table ? color cat how many a red dog yes no two it raining this are there left right in
photo Answer question using single word or phrase . Give very brief answer en USER : ASSISTANT blue green circle square
picture can you see any do look one three grey to of shapes , top bottom black white""".split()  # noqa: SIM905
TEXT: dict[str, Any] = {"vocab_size": 112, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2}
TEXT |= {"num_attention_heads": 2, "num_key_value_heads": 1, "initializer_range": 0.6}
TEXT |= {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
VISION: dict[str, Any] = {"image_size": 32, "patch_size": 8, "hidden_size": 16, "intermediate_size": 24}
VISION |= {"num_hidden_layers": 1, "num_attention_heads": 2, "initializer_range": 0.3}
CHAT = (
    "{% for m in messages %}USER:{% for c in m['content'] %}{% if c['type'] == 'image' %}MARK{% else %} {{ c['text'] }}"
    "{% endif %}{% endfor %} ASSISTANT:{% endfor %}"
)
EXTRA = {"image_token": "<image>", "boi_token": "<boi>", "eoi_token": "<eoi>", "video_token": "<video>"}
EXTRA |= {"fake_image_token": "<fake>", "global_image_token": "<global-img>", "end_of_utterance_token": "<eou>"}
SIDE = {"height": 32, "width": 32}


def tokenizer(**more: Any) -> t.PreTrainedTokenizerFast:
    words = {word: i for i, word in enumerate(dict.fromkeys([*MARKS, *WORDS]))}
    core = Tokenizer(models.WordLevel(words, "<unk>"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    made = t.PreTrainedTokenizerFast(tokenizer_object=core, extra_special_tokens=EXTRA, **special, **more)
    made.add_special_tokens({"additional_special_tokens": MARKS[11:]}, replace_extra_special_tokens=False)
    return made


def save(folder: Path, net: Any, processor: Any) -> Path:
    net.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def llava(folder: Path, size: int = 32, **text: Any) -> Path:
    """CLIP and a Llama; with a chat template; cuts out the middle of a photo."""
    vision, language = t.CLIPVisionConfig(**VISION | {"image_size": size}), t.LlamaConfig(**TEXT | text)
    marks: dict[str, Any] = {"image_token_index": 4, "vision_feature_layer": -1}
    config = t.LlavaConfig(vision_config=vision, text_config=language, **marks)
    images = t.CLIPImageProcessor(size={"shortest_edge": size}, crop_size={"height": size, "width": size})
    more = {"patch_size": 8, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    processor = t.LlavaProcessor(images, tokenizer(), chat_template=CHAT.replace("MARK", "<image>"), **more)
    return save(folder, t.LlavaForConditionalGeneration(config), processor)


def qwen(folder: Path) -> Path:
    """Qwen2.5-VL: as many tokens as the photo needs, positions in three dimensions."""
    vision = {"depth": 1, "hidden_size": 16, "intermediate_size": 24, "num_heads": 2, "out_hidden_size": 16}
    vision |= {"patch_size": 8, "spatial_merge_size": 2, "window_size": 32, "fullatt_block_indexes": [0]}
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [1, 1, 2]}
    marks = {"image_token_id": 4, "video_token_id": 7, "vision_start_token_id": 11, "vision_end_token_id": 12}
    config = t.Qwen2_5_VLConfig(text_config=TEXT | {"rope_parameters": rope}, vision_config=vision, **marks)
    scale: dict[str, Any] = {"patch_size": 8, "merge_size": 2, "size": {"shortest_edge": 1024, "longest_edge": 4096}}
    images, videos = t.Qwen2VLImageProcessor(**scale), t.Qwen2VLVideoProcessor(**scale)
    chat = CHAT.replace("MARK", "<vision><image></vision>")
    processor = t.Qwen2_5_VLProcessor(images, tokenizer(), videos, chat_template=chat)
    return save(folder, t.Qwen2_5_VLForConditionalGeneration(config), processor)


def paligemma(folder: Path) -> Path:
    """SigLIP and a Gemma whose photo attends to the question; without a chat template."""
    vision, text = t.SiglipVisionConfig(**VISION, vision_use_head=False), t.GemmaConfig(**TEXT, head_dim=8)
    sizes: dict[str, Any] = {"projection_dim": 16, "hidden_size": 16}
    config = t.PaliGemmaConfig(vision_config=vision, text_config=text, image_token_index=4, **sizes)
    images = t.SiglipImageProcessor(size=SIDE)
    images.image_seq_length = 16
    return save(folder, t.PaliGemmaForConditionalGeneration(config), t.PaliGemmaProcessor(images, tokenizer()))


def gemma3(folder: Path) -> Path:
    """SigLIP and a Gemma 3: the tokens of a photo attend to each other in both directions; some layers see a window."""
    layers: dict[str, Any] = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 8}
    text = t.Gemma3TextConfig(**TEXT, head_dim=8, query_pre_attn_scalar=8, **layers)
    vision = t.SiglipVisionConfig(**VISION, vision_use_head=False)
    marks: dict[str, Any] = {"image_token_index": 4, "boi_token_index": 5, "eoi_token_index": 6}
    config = t.Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4, **marks)
    images = t.Gemma3ImageProcessor(size=SIDE)
    processor = t.Gemma3Processor(images, tokenizer(), CHAT.replace("MARK", "<boi>"), image_seq_length=4)
    return save(folder, t.Gemma3ForConditionalGeneration(config), processor)


def idefics3(folder: Path) -> Path:
    """SigLIP on tiles of the photo and on the whole of it, and a Llama (SmolVLM is built the same)."""
    config = t.Idefics3Config(vision_config=VISION, text_config=t.LlamaConfig(**TEXT), image_token_id=4, scale_factor=2)
    images = t.Idefics3ImageProcessor(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
    processor = t.Idefics3Processor(images, tokenizer(), image_seq_len=4, chat_template=CHAT.replace("MARK", "<image>"))
    return save(folder, t.Idefics3ForConditionalGeneration(config), processor)


def florence2(folder: Path) -> Path:
    """DaViT, and an encoder with a decoder that reads the photo's tokens and the question's (BART)."""
    text = {"vocab_size": 112, "d_model": 16, "encoder_layers": 1, "decoder_layers": 2, "init_std": 0.6}
    text |= {"encoder_ffn_dim": 24, "decoder_ffn_dim": 24, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    text |= {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "decoder_start_token_id": 3}
    vision = {"depths": [1], "patch_size": [7], "patch_stride": [8], "patch_padding": [3], "patch_prenorm": [False]}
    vision |= {"embed_dim": [16], "num_heads": [2], "num_groups": [2], "window_size": 4, "projection_dim": 16}
    config = t.Florence2Config(text_config=t.BartConfig(**text), vision_config=vision, image_token_id=4)
    images = t.CLIPImageProcessor(size=SIDE, crop_size=SIDE, do_center_crop=False)
    images.image_seq_length = 17
    net = t.Florence2ForConditionalGeneration(config)
    net.generation_config.update(forced_bos_token_id=2, forced_eos_token_id=None)
    return save(folder, net, t.Florence2Processor(images, tokenizer()))


FAMILIES = {f.__name__: f for f in (llava, qwen, paligemma, gemma3, idefics3, florence2)}


def build(name: str, folder: Path, **more: Any) -> Path:
    torch.manual_seed(0)
    return FAMILIES[name](folder, **more)
