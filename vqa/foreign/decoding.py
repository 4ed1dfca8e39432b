"""Writing short answers, and scoring given ones, with the `generate` of transformers."""

import copy
import inspect
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import GenerationMixin
from transformers.modeling_outputs import BaseModelOutput

LONGEST = 20  # tokens of an answer
# The name of the key-value cache: it changed with transformers 5.24.
_NAMES = inspect.signature(GenerationMixin.prepare_inputs_for_generation).parameters
CACHE = "cache" if "cache" in _NAMES else "past_key_values"


class Prompted(NamedTuple):
    """A model after B prompts of equal length, before the first token of each answer.

    ids: the decoder's tokens so far `(B, L)`; first: log-probabilities of the next one `(B, V)`, float32.
    cache: keys and values of these tokens; None for an encoder with a decoder.
    encoded: the last states `(B, S, D)` of such an encoder, and their mask `(B, S)`; else None.
    attention: by layer `(B, H, T, S)`, from the last T tokens to all S; empty for a model that reports none.
    """

    ids: Tensor
    first: Tensor
    cache: Any
    encoded: tuple[Tensor, Tensor] | None
    attention: list[Tensor]


class Written(NamedTuple):
    """Tokens of an answer without the end, and the log-probability of each, the end's included if it was reached."""

    tokens: list[int]
    log_probabilities: list[float]


class Decoder:
    """Greedy decoding. net: a generative model of transformers; unwanted: ids of tokens that begin no answer."""

    def __init__(self, net: Any, unwanted: Sequence[int]):
        self.net = net
        self.config = config = copy.deepcopy(net.generation_config)
        config.update(
            do_sample=False,
            num_beams=1,
            temperature=None,
            top_p=None,
            top_k=None,
            max_length=None,
            forced_eos_token_id=None,
        )
        ends = config.eos_token_id
        self.ends: list[int] = [] if ends is None else ends if isinstance(ends, list) else [ends]
        if config.pad_token_id is None and self.ends:
            config.pad_token_id = self.ends[0]
        self.unwanted = sorted({*self.ends, *unwanted})
        self.two_stacks = bool(net.config.is_encoder_decoder)
        self.forced = int(self.two_stacks and config.forced_bos_token_id is not None)

    def _generate(self, inputs: Mapping[str, Any], cache: Any, tokens: int, settings: Mapping[str, Any]) -> Any:
        """cache: keys and values of the first tokens, None for none; settings: further ones of the generation."""
        config = copy.deepcopy(self.config)
        config.update(max_new_tokens=tokens, return_dict_in_generate=True, output_logits=True, **settings)
        more = {} if cache is None else {CACHE: cache}
        return self.net.generate(**inputs, generation_config=config, **more)

    def prompt(self, inputs: Mapping[str, Any], cache: Any = None, attention: bool = True) -> Prompted:
        """Read the prompts; cache: keys and values of the first tokens, which are then not computed again."""
        report = {"output_attentions": attention, "output_hidden_states": self.two_stacks}
        output = self._generate(inputs, cache, 1 + self.forced, report)
        encoded = (output.encoder_hidden_states[-1], inputs["attention_mask"]) if self.two_stacks else None
        maps = output.get("cross_attentions" if self.two_stacks else "attentions")
        layers = [layer for layer in (maps[-1] if attention and maps else ()) if layer is not None]
        first = output.logits[-1].float().log_softmax(-1)
        return Prompted(output.sequences[:, :-1], first, None if self.two_stacks else output[CACHE], encoded, layers)

    def branches(self, prompted: Prompted, count: int) -> list[list[Written]]:
        """For each of the B prompts the greedy answer and those that begin with the next likely tokens, `count` in all.

        All are written at once; an answer has at least one token.
        """
        allowed = prompted.first.clone()
        allowed[:, self.unwanted] = -torch.inf
        tokens = allowed.topk(min(count, allowed.shape[-1])).indices
        written = self._finish(prompted, tokens.flatten(), tokens.shape[1])
        return [written[i : i + tokens.shape[1]] for i in range(0, len(written), tokens.shape[1])]

    def given(self, prompted: Prompted, answers: Sequence[Sequence[int]]) -> list[Written]:
        """The probabilities of these answers' tokens, and of ending there, after a single prompt."""
        ended = [[*answer, *self.ends[:1]] for answer in answers]
        tokens = torch.tensor([answer[0] for answer in ended], device=prompted.ids.device)
        return self._finish(prompted, tokens, len(ended), ended)

    def sentence(
        self, inputs: Mapping[str, Any], cache: Any, tokens: int, temperature: float | None, top_p: float, seed: int
    ) -> list[tuple[int, float, list[Tensor]]]:
        """A longer text: each of its tokens, its log-probability, and the attention by layer from the token before.

        Greedy, or, with a temperature, drawn with this seed from the likeliest tokens (`top_p`).
        """
        settings: dict[str, Any] = {"output_attentions": True}
        if temperature is not None:
            settings |= {"do_sample": True, "temperature": temperature, "top_p": top_p, "top_k": 0}
        devices = [self.net.device] if self.net.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(seed)
            output = self._generate(inputs, cache, tokens, settings)
        new = output.sequences[0, -len(output.logits) :].tolist()
        maps = output.get("cross_attentions") or output.get("attentions") or [()] * len(new)
        steps = []
        for token, logits, layers in zip(new, output.logits, maps, strict=True):
            if token in self.ends:
                break
            steps.append((token, float(logits[0].float().log_softmax(-1)[token]), [x for x in layers if x is not None]))
        return steps

    def _finish(
        self, prompted: Prompted, tokens: Tensor, count: int, given: Sequence[Sequence[int]] | None = None
    ) -> list[Written]:
        """Go on after the first tokens, `count` of each prompt; given: the whole answers, if they are known."""
        ids = torch.cat([prompted.ids.repeat_interleave(count, 0), tokens[:, None]], 1)
        inputs: dict[str, Any]
        if prompted.encoded is None:
            prompted.cache.batch_repeat_interleave(count)
            inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        else:
            hidden, mask = (part.repeat_interleave(count, 0) for part in prompted.encoded)
            encoder = BaseModelOutput(last_hidden_state=hidden)
            inputs = {"encoder_outputs": encoder, "attention_mask": mask, "decoder_input_ids": ids}
        length, longest = ids.shape[1], LONGEST if given is None else max(map(len, given))
        if given is not None:
            inputs["prefix_allowed_tokens_fn"] = lambda row, sent: (
                given[row][len(sent) - length + 1 :][:1] or self.ends or [0]
            )
        probabilities = [prompted.first.repeat_interleave(count, 0).gather(-1, tokens[:, None])]
        new = tokens[:, None]
        if longest > 1:
            output = self._generate(inputs, prompted.cache, longest - 1, {})
            new = output.sequences[:, length - 1 :]
            for step, logits in enumerate(output.logits, start=1):
                probabilities.append(logits.float().log_softmax(-1).gather(-1, new[:, step : step + 1]))
        return [
            self._written(row, values)
            for row, values in zip(new.tolist(), torch.cat(probabilities, 1).tolist(), strict=True)
        ]

    def _written(self, tokens: list[int], values: list[float]) -> Written:
        end = next((i for i, token in enumerate(tokens) if token in self.ends), len(tokens))
        return Written(tokens[:end], values[: end + 1])
