"""BLEU, METEOR and CIDEr of captions, by the COCO evaluation code (pycocoevalcap)."""

import contextlib
import importlib.util
import io
import math
import shutil
from collections.abc import Sequence

NAMES = ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4")


class Unscored(RuntimeError):
    """A tool for scoring is missing; the message names it."""


def score_captions(captions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """BLEU-1 to 4 with and without brevity penalty, METEOR and CIDEr, in percent, of one caption a photo.

    Both sides go through the Penn Treebank tokeniser, which drops punctuation, in lower case. The brevity penalty is
    the corpus's, exp(1 - r / c) for c words against r in the references that are closest in length (Papineni et al.
    2002); papers before 2015 often left it out.

    Raises `Unscored` where Java or pycocoevalcap is missing.
    """
    if not captions or len(captions) != len(references):
        raise ValueError(f"{len(captions)} captions and {len(references)} lists of references")
    if shutil.which("java") is None or importlib.util.find_spec("pycocoevalcap") is None:
        raise Unscored("needs Java and the package pycocoevalcap")
    from pycocoevalcap.bleu.bleu_scorer import BleuScorer
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.meteor.meteor import Meteor
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    # In one call, as each starts a Java machine: caption i has the key i, its references -1 - i.
    texts = dict(enumerate([text] for text in captions)) | {-1 - i: list(same) for i, same in enumerate(references)}
    tokens = PTBTokenizer().tokenize({i: [{"caption": text} for text in same] for i, same in texts.items()})
    written = {i: tokens[i] for i in range(len(captions))}
    wanted = {i: tokens[-1 - i] for i in range(len(captions))}
    bleu = BleuScorer(n=4)
    for i in written:
        bleu += (written[i][0], wanted[i])
    with contextlib.redirect_stdout(io.StringIO()):
        penalised, _ = bleu.compute_score(option="closest", verbose=0)
    # Its score is the product of precision and penalty; r and c are those of the penalty.
    ratio = bleu._testlen / bleu._reflen
    penalty = math.exp(1 - 1 / ratio) if 0 < ratio < 1 else 1.0
    meteor, _ = Meteor().compute_score(wanted, written)
    cider, _ = Cider().compute_score(wanted, written)
    scores = dict(zip(NAMES, penalised, strict=True))
    scores |= {f"{name} without penalty": value / penalty for name, value in zip(NAMES, penalised, strict=True)}
    scores |= {"METEOR": float(meteor), "CIDEr": float(cider), "brevity penalty": penalty}
    return {name: round(100 * float(value), 2) for name, value in scores.items()}
