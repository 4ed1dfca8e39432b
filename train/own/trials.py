"""What is learned within a budget of time: members on parts of the photos, to measure, then on all of them.

Each fit is stored in the run's folder, so that an interrupted run goes on from there; the seconds that it took are
stored too, as they decide what else is done.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from train.own.learning import BATCH, Material, Recipe, fit, predict
from train.own.members import Member, between, can_join, continued, fresh
from train.own.pool import Held, Pool, best_pool, reached
from vqa.data.files import whole_file
from vqa.model.errors import InputError

FOLDS = 5
SPLIT_SEED = 1  # apart from the run's seed, so that all runs are compared on the same photos
CURVE = (0.25, 0.5)  # shares of the photos
MOST_HELD = 4000  # questions of a fold that are measured on
COPIES = 3  # of a fresh member in the final model
RESERVE = 0.1  # of the time, for the end
GROWN = 1.25  # seconds on all photos as a multiple of those on four fifths
SAMPLE, ADVISED = 5, 4  # batches by which a pass is timed; passes that a longer budget should allow
HEADS = ("answers", "guesses", "images")
WAYS = (1.0, 0.75, 0.5, 0.25)  # shares of the way from the start model's weights to the learned ones
START, FRESH = "from the start model", "new, small"
RECIPES = {START: Recipe(1e-3, 32), FRESH: Recipe(3e-3, 20, sharing=3.0)}


@dataclass
class Fitted:
    """A finished fit: the passes of its result, the seconds that it took, and the file of its tensors."""

    passes: int
    seconds: float
    file: Path


class Trials:
    """The fits of a run, at most `minutes` of them together, of which `spent` seconds are over.

    epochs: the most passes, None: as the recipes say. keep: store the weights of the first fold. way: the share of
    the way that the fine-tuned member goes, one of `WAYS`.
    """

    def __init__(
        self,
        folder: Path,
        material: Material,
        seed: int,
        minutes: float,
        spent: float,
        epochs: int | None,
        keep: bool,
        console: Console,
    ):
        self.folder, self.material, self.seed, self.keep, self.console = folder, material, seed, keep, console
        self.seconds, self.spent = 60 * minutes, spent
        photos = len(material.questions.photos)
        rank = np.argsort(np.random.default_rng(SPLIT_SEED).permutation(photos))[material.photo]
        self.fold, self.rank = rank % FOLDS, rank / photos  # a photo's questions are learned from together
        names = (START, FRESH) if can_join(material.net.config) else (START,)
        self.recipes = {name: replace(RECIPES[name], passes=epochs or RECIPES[name].passes) for name in names}
        self.measured: dict[int, dict[str, Fitted]] = {}
        self.curve: dict[float, dict[str, Fitted]] = {}
        self.way = WAYS[0]

    def measure(self) -> None:
        """Fit members on four fifths of the photos; as far as the time allows also on less of these, for the learning
        curve, and on the other four fifths. Raises `InputError` if there is no time for the first."""
        if not self.folder.exists():  # no fit is stored
            self.check_time()
        first: dict[str, Fitted] = {}
        for name in reversed(self.recipes):  # the fast ones first
            later = len(self.recipes) - len(first)
            free = self.left() - GROWN * cost(first)
            first[name] = self.trial(0, name, self.recipes[name], most=free / (1 + GROWN) / later)
        self.measured[0] = {name: first[name] for name in self.recipes}
        whole, final = cost(first), GROWN * cost(first)
        for share in CURVE:
            if self.left() > final + share * whole:
                self.curve[share] = {name: self.trial(0, name, self.known(name), share) for name in self.recipes}
        copies = GROWN * (COPIES - 1) * first[FRESH].seconds if FRESH in first else 0.0
        for fold in range(1, FOLDS):
            if self.left() > final + copies + whole:
                self.measured[fold] = {name: self.trial(fold, name, self.known(name)) for name in self.recipes}

    def check_time(self) -> None:
        """Time the first batches. Raises `InputError` if a pass of the slowest member takes longer than it may."""
        rest, start, slowest = self.rest(0), time.perf_counter(), 0.0
        some = rest[: SAMPLE * BATCH]
        for name, recipe in self.recipes.items():
            before = time.perf_counter()
            fit(self.member(name, self.seed), self.material, some, replace(recipe, passes=1), self.seed)
            slowest = max(slowest, (time.perf_counter() - before) * len(rest) / len(some))
        self.spent += time.perf_counter() - start
        needed = (1 + GROWN) * len(self.recipes) * slowest
        if needed > self.left():
            minutes = np.ceil((self.spent + ADVISED * needed) / (1 - RESERVE) / 60)
            raise InputError(
                f"A budget of {self.seconds / 60:g} minutes is too short: {self.spent:.0f} seconds of it were over "
                f"before the training, in which a pass over the questions takes up to {slowest:.1f} seconds; give "
                f"--minutes {minutes:.0f}, or fewer questions."
            )

    def known(self, name: str) -> Recipe:
        """The recipe with as many passes as there was time for on the first fold."""
        return replace(self.recipes[name], passes=self.measured[0][name].passes)

    def left(self) -> float:
        """Seconds of the budget but for its reserve."""
        return self.seconds * (1 - RESERVE) - self.spent

    def trial(self, fold: int, name: str, recipe: Recipe, share: float = 1.0, most: float = math.inf) -> Fitted:
        """A member fitted on a share of the photos outside the fold, for at most so many seconds, and its logits of the
        questions in it."""
        held, rest = self.held(fold), self.rest(fold, share)

        def job(advance: Callable[[], None]) -> tuple[int, dict[str, Tensor]]:
            member = self.member(name, self.seed)
            passes = fit(member, self.material, rest, recipe, self.seed, most, advance)
            tensors = member.state_dict() if self.keep and (fold, share) == (0, 1) else {}
            for way in WAYS if name == START else WAYS[:1]:
                logits = predict(self.moved(member, way), self.material, held)
                tensors |= {f"{head} {way}": part.half() for head, part in zip(HEADS, logits, strict=True)}
            return passes, tensors

        part = "" if share == 1 else f", {share:.0%} of the photos"
        return self.stored(f"fold {fold + 1} of {FOLDS}{part}, {name}", job)

    def choose(self) -> tuple[Held, Pool]:
        """Choose the way with the best answers to held-out questions; returns these and their pool."""

        def reached_by(way: float) -> float:
            self.way = way
            return reached(self.together(self.measured))

        self.way = max(WAYS, key=reached_by)
        held = self.together(self.measured)
        return held, best_pool(held)

    def used(self, pool: Pool) -> list[int]:
        """The recipes with a share in the pool, and always the first, whose words' weights the model has."""
        shares = zip(pool.answer, pool.blind, pool.guess, strict=True)
        return [i for i, some in enumerate(shares) if i == 0 or any(some)]

    def finals(self, pool: Pool, refit: bool) -> list[tuple[str, Member]]:
        """The members of the final model with the names of their recipes: fitted on all photos, or without `refit`
        those of the first fold. A new member without a share in the pool is left out."""
        used = [list(self.recipes)[i] for i in self.used(pool)]
        if not refit:
            return [(name, self.loaded(name, self.seed, self.measured[0][name])) for name in used]
        members = []
        for name in used:
            seconds = max(0.1, GROWN * self.measured[0][name].seconds)
            copies = 1 if name == START else min(COPIES, max(1, int(self.left() / seconds)))
            members += [(name, self.final(name, seed)) for seed in range(self.seed, self.seed + copies)]
        return members

    def final(self, name: str, seed: int) -> Member:
        """A member fitted on all photos."""

        def job(advance: Callable[[], None]) -> tuple[int, dict[str, Tensor]]:
            member, everything = self.member(name, seed), np.arange(len(self.material))
            passes = fit(member, self.material, everything, self.known(name), seed, advance=advance)
            return passes, member.state_dict()

        return self.loaded(name, seed, self.stored(f"all photos, {name}, seed {seed}", job))

    def held(self, fold: int) -> np.ndarray:
        """The questions of a fold; of very many a part."""
        inside = np.flatnonzero(self.fold == fold)
        share = min(1.0, MOST_HELD / max(1, len(inside)))
        return inside[self.rank[inside] <= np.quantile(self.rank[inside], share)]

    def rest(self, fold: int, share: float = 1.0) -> np.ndarray:
        """The questions about a share of all photos, none of them in the fold."""
        outside = np.flatnonzero(self.fold != fold)
        return outside if share == 1 else outside[self.rank[outside] < share]

    def member(self, name: str, seed: int) -> Member:
        return continued(self.material.net) if name == START else fresh(self.material.net, seed)

    def loaded(self, name: str, seed: int, done: Fitted) -> Member:
        member = self.member(name, seed)
        tensors = load_file(done.file)
        member.load_state_dict({key: tensors[key] for key in member.state_dict()})
        return self.moved(member, self.way_of(name)).eval()

    def moved(self, member: Member, way: float) -> Member:
        """A learned member at a share of its way from the start model."""
        return member if way == 1 else between(continued(self.material.net), member, way)

    def way_of(self, name: str) -> float:
        """The share of the way that a recipe's member goes: a new one, which knows nothing, goes all of it."""
        return self.way if name == START else WAYS[0]

    def together(self, trials: dict[int, dict[str, Fitted]]) -> Held:
        """The answers to the questions of some folds, which the members have not learned from."""
        rows = np.concatenate([self.held(fold) for fold in trials])
        fold = self.fold[rows]
        if len(trials) == 1:  # two halves of its photos
            fold = (self.rank[rows] > np.median(self.rank[rows])).astype(int)
        own = torch.cat([self.material.own(self.rest(fold)).expand(len(self.held(fold)), -1) for fold in trials])
        heads = {head: [self.logits(trials, name, head) for name in self.recipes] for head in HEADS}
        return Held(rows, fold, self.material.labels(rows), own, **heads)

    def logits(self, trials: dict[int, dict[str, Fitted]], name: str, head: str) -> Tensor:
        parts = []
        for done in trials.values():
            with safe_open(done[name].file, "pt") as file:
                parts.append(file.get_tensor(f"{head} {self.way_of(name)}").float())
        return torch.cat(parts)

    def stored(self, title: str, job: Callable[[Callable[[], None]], tuple[int, dict[str, Tensor]]]) -> Fitted:
        """The result of a job, from its file if it was done before. The bar shows how much of the time is over."""
        file = self.folder / f"{title.replace(' ', '-').replace(',', '').replace('%', '')}.safetensors"
        if not file.exists():
            start = time.perf_counter()
            with Progress(console=self.console, transient=True) as bar:
                row = bar.add_task(title, total=self.seconds, completed=int(self.spent))

                def advance() -> None:
                    bar.update(row, completed=self.spent + time.perf_counter() - start)

                passes, tensors = job(advance)
            facts = {"passes": str(passes), "seconds": f"{time.perf_counter() - start:.2f}"}
            file.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(file) as new:
                save_file({name: value.contiguous() for name, value in tensors.items()}, new, facts)
        with safe_open(file, "pt") as content:
            facts = content.metadata()
        self.spent += float(facts["seconds"])
        return Fitted(int(facts["passes"]), float(facts["seconds"]), file)


def cost(trial: dict[str, Fitted]) -> float:
    """Seconds of all its fits."""
    return sum(done.seconds for done in trial.values())
