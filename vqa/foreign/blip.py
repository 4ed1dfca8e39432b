"""BLIP: a vision transformer, a question encoder that attends to it, and a decoder that writes the answer (Li et al.
2022)."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import BlipForQuestionAnswering, BlipProcessor

from vqa.foreign.model import Reply

BEAMS = 5  # at least
LONGEST = 20  # tokens of an answer


class Adapter:
    """A `BlipForQuestionAnswering` with its `BlipProcessor`."""

    answers = None
    note = "Its scores are the probabilities of the written answers."
    photos = 16
    blind = False
    classes = (BlipForQuestionAnswering, BlipProcessor)

    def __init__(self, net: Any, processor: Any):  # whose parts and settings transformers leaves untyped
        self.net, self.processor = net, processor
        vision = self.net.config.vision_config
        self.side = vision.image_size // vision.patch_size

    def encode(self, photo: Image.Image) -> Tensor:
        """The photo's patches, `(1, 1 + N, D)`, [CLS] first."""
        pixels = self.processor.image_processor(photo, return_tensors="pt")["pixel_values"]
        return self.net.vision_model(pixel_values=pixels.to(self.net.device)).last_hidden_state

    def ask(self, encoded: Tensor, questions: Sequence[str], top: int) -> list[Reply]:
        """The answers that a beam search finds, each with its probability: that of its tokens, and of ending there.

        Attention: the last layer of the question encoder, from the question's tokens to the patches, over all heads.
        """
        return [self._reply(encoded, question, top) for question in questions]

    def score(self, encoded: Tensor, question: str, answers: Sequence[str]) -> list[float]:
        """The probability of each of these answers: of its tokens, and of ending there."""
        text, encoder = self._question(encoded, question)
        scores = []
        for answer in answers:
            tokens = self.processor.tokenizer(answer, add_special_tokens=False)["input_ids"]
            written = [self.net.decoder_start_token_id, *tokens, self.net.config.text_config.sep_token_id]
            ids = torch.tensor([written], device=encoded.device)
            logits = self.net.text_decoder(
                input_ids=ids,
                encoder_hidden_states=encoder.last_hidden_state,
                encoder_attention_mask=text["attention_mask"],
            ).logits[0, :-1]
            scores.append(math.exp(float(logits.float().log_softmax(-1).gather(-1, ids[0, 1:, None]).sum())))
        return scores

    def _question(self, encoded: Tensor, question: str) -> tuple[Any, Any]:
        """The question's tokens, and the question encoder's output."""
        limit = self.net.config.text_config.max_position_embeddings
        text = self.processor.tokenizer(question, truncation=True, max_length=limit, return_tensors="pt")
        text = text.to(self.net.device)
        encoder = self.net.text_encoder(
            input_ids=text["input_ids"],
            attention_mask=text["attention_mask"],
            encoder_hidden_states=encoded,
            encoder_attention_mask=torch.ones(encoded.shape[:2], dtype=torch.long, device=encoded.device),
            output_attentions=True,
        )
        return text, encoder

    def _reply(self, encoded: Tensor, question: str, top: int) -> Reply:
        config, (text, encoder) = self.net.config.text_config, self._question(encoded, question)
        beams = max(top, BEAMS)
        output = self.net.text_decoder.generate(
            input_ids=torch.full((1, 1), self.net.decoder_start_token_id, device=encoded.device),
            eos_token_id=config.sep_token_id,
            pad_token_id=config.pad_token_id,
            encoder_hidden_states=encoder.last_hidden_state,
            encoder_attention_mask=text["attention_mask"],
            num_beams=beams,
            num_return_sequences=beams,
            max_new_tokens=LONGEST,
            length_penalty=0.0,  # so that a beam's score is the logarithm of its probability
            do_sample=False,
            return_dict_in_generate=True,
            output_scores=True,
        )
        weights = encoder.cross_attentions[-1][0, :, :, 1:].float().mean((0, 1))
        grid = (weights / weights.sum()).reshape(self.side, self.side)
        written = self.processor.tokenizer.batch_decode(output.sequences[:, 1:], skip_special_tokens=True)
        return Reply(merged(written, output.sequences_scores.exp().tolist())[:top], grid.cpu().numpy())


def merged(answers: list[str], probabilities: list[float]) -> list[tuple[str, float]]:
    """Each answer once, with the probability of all its spellings in tokens, the best first."""
    total: dict[str, float] = {}
    for answer, probability in zip(answers, probabilities, strict=True):
        name = " ".join(answer.split())
        total[name] = total.get(name, 0.0) + probability
    return sorted(total.items(), key=lambda pair: -pair[1])
