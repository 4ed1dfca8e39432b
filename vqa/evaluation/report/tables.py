"""The report's tables and sentences, as HTML. Whatever comes from data is escaped here."""

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, TypeGuard

FOLD = 15  # rows of a table that are seen before its button is pressed
COMMON = 15  # answers in the table of mix-ups

GUESSES = {  # every column of `tables` in results.json: its title, and what it is
    "model": ("model", "sees photo and question"),
    "question_only": ("question only", "the better of the next two: guessing without looking"),
    "blind_head": ("blind head", "a part of the model that never sees the photo"),
    "question_prefix": ("first words", "the commonest training answer to questions that begin the same"),
    "type_prior": ("answer type", "the commonest training answer of the same answer type"),
    "image_only": ("photo only", "a part of the model that never sees the question"),
    "majority": ("commonest", "always the commonest training answer"),
    "upper_bound": ("possible", "the most that the model's list of answers allows"),
}
METRICS = {"official": "official", "wups_0.9": "WUPS 0.9", "wups_0.0": "WUPS 0.0"}
GROUPS = {  # every further table: its caption and how it is sorted
    "by_answer_type": ("By answer type", "n"),
    "by_source": ("By source", "n"),
    "by_question_type": ("By question type", "n"),
    "by_question_length": ("By length of the question", "name"),
    "by_answer_rank": ("By how common the answer was in training (its rank)", "name"),
}


def overall(row: Mapping[str, Any]) -> str:
    """All questions: the model and what it has to be held against, a guess a line."""
    metrics = {key: title for key, title in METRICS.items() if row.get(key)}
    lines = []
    for guess, (title, meaning) in GUESSES.items():
        if guess not in row:
            continue
        cells = [bar(row[guess], guess == "model")]
        cells += [bar(row[key].get(guess), guess == "model") for key in metrics]
        lines.append([f'{title}<small class="means">{meaning}</small>', *cells])
    caption = f"All {row.get('n', 0):,} questions: right answers in percent"
    return f'<div class="overall">{table(caption, ["answer by", "exact", *metrics.values()], lines)}</div>'


def group(name: str, rows: Mapping[str, Mapping[str, Any]]) -> str:
    """One further table of results.json, a kind of question a line."""
    caption, order = GROUPS.get(name, (name.replace("_", " ").capitalize(), "n"))
    guesses = [guess for guess in GUESSES if any(guess in row for row in rows.values())]
    metrics = {key: title for key, title in METRICS.items() if any(row.get(key) for row in rows.values())}

    def place(item: tuple[str, Mapping[str, Any]]) -> tuple[float, str]:
        if order == "n":
            return -(item[1].get("n") or 0), item[0]
        start = item[0].split("-")[0].split("+")[0]
        return (float(start) if start.isdecimal() else float("inf")), item[0]

    lines = []
    for kind, row in sorted(rows.items(), key=place):
        above = ""
        if is_number(row.get("model")) and is_number(row.get("question_only")):
            above = f"{row['model'] - row['question_only']:+.1f}"
        cells = [bar(row.get(guess), guess == "model") for guess in guesses]
        cells += [bar((row.get(key) or {}).get("model"), False) for key in metrics]
        lines.append([escape(kind), plain(f"{row.get('n', 0):,}"), plain(above), *cells])
    titles = [GUESSES[guess][0] for guess in guesses]
    return table(caption, ["", "questions", "gain", *titles, *metrics.values()], lines)


def table(caption: str, head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table that scrolls sideways where it is too wide. A line: the HTML of its name, then whole cells."""
    top = "".join(f'<th scope="col">{escape(title)}</th>' for title in head)
    body = "".join(f'<tr><th scope="row">{name}</th>{"".join(cells)}</tr>' for name, *cells in lines)
    fold = f' data-fold="{FOLD}"' if len(lines) > FOLD else ""
    return (
        f'<div class="wide" tabindex="0" role="group" aria-label="{escape(caption)}"><table{fold}>'
        f"<caption>{escape(caption)}</caption><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def plain(words: str) -> str:
    return f"<td>{escape(words)}</td>"


def bar(value: object, main: bool) -> str:
    """A cell with a percentage and a bar as long; empty where it is not known."""
    if not is_number(value):
        return '<td class="none">n/a</td>'
    kind = "bar main" if main else "bar"
    return f'<td class="{kind}" style="--v:{min(max(value, 0), 100):.1f}%"><span>{value:.1f}</span></td>'


def is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


READING = {
    "photo_swap": "Every question was asked once more about another photo. A model that looks should fall; one that "
    "guesses from the question stays where it was. 'drop' is the fall in points.",
    "deletion": "The part of the photo that the model attended to most was covered, and for comparison a random part "
    "and the middle, each of the same size. If attention tells what the answer rests on, covering the attended part "
    "costs more: 'excess' is how much more than the random part, 'centre excess' than the middle, in points.",
    "pointing": "Where it is known what a question is about, does the attention peak there? 'hit' is how often, in "
    "percent; 'uniform' how often a map that looks everywhere would.",
    "robustness": "The same questions, with the question or the photo damaged. 'plain' and 'exact' are the right "
    "answers in percent before and after, 'drop' the points lost, 'changed' the share of answers that are no longer "
    "the same.",
}
CAPTIONS = {
    "photo_swap": "With another photo",
    "deletion": "With a part covered",
    "pointing": "Pointing at what is asked",
    "robustness": "With a damaged question or photo",
}
BROAD = 3  # columns from which a table takes the page's whole width


def figures(name: str, content: object) -> str:
    """A table of whatever figures an entry holds, with a sentence on how to read it, where we have one.

    Numbers and intervals make one table, dicts of these another, a dict a line; anything else is left out.
    """
    if not isinstance(content, Mapping) or not content:
        return ""
    if isinstance(content.get("variants"), Mapping):  # the lines of interest lie one level deeper
        content = {key: value for key, value in content.items() if key != "variants"} | dict(content["variants"])
    caption = CAPTIONS.get(name, words(name).capitalize())
    single = {key: value for key, value in content.items() if is_figure(value)}
    nested = {key: value for key, value in content.items() if isinstance(value, Mapping) and value}
    columns = list(dict.fromkeys(key for row in nested.values() for key, value in row.items() if is_figure(value)))
    parts = [f"<h3>{escape(caption)}</h3>"]
    if name in READING:
        parts.append(f"<p>{READING[name]}</p>")
    if columns:
        lines = [
            [escape(words(key)), *(cell(column, row.get(column)) for column in columns)] for key, row in nested.items()
        ]
        parts.append(table(f"{caption}: each case", ["", *map(words, columns)], lines))
    if single:
        lines = [[escape(words(key)), cell(key, value)] for key, value in single.items()]
        parts.append(table(f"{caption}: figures", ["", "value"], lines))
    kind = "figures broad" if len(columns) > BROAD else "figures"
    return f'<section class="{kind}">{"".join(parts)}</section>' if single or columns else ""


def words(key: object) -> str:
    return {"n": "questions", "interval": "95% interval"}.get(str(key), str(key).replace("_", " "))


def is_figure(value: object) -> bool:
    return is_number(value) or is_interval(value)


def is_interval(value: object) -> TypeGuard[Sequence[float]]:
    return isinstance(value, list | tuple) and len(value) == 2 and all(map(is_number, value))


def cell(key: object, value: object) -> str:
    """A figure; of two, an interval's ends or rows and columns."""
    if is_interval(value):
        return plain((" to " if "interval" in str(key) else " x ").join(map(shown, value)))
    return plain(shown(value)) if is_number(value) else '<td class="none">n/a</td>'


def shown(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def mix_ups(pairs: Mapping[tuple[str, str], int]) -> str:
    """The commonest references against the predictions: how often each pair occurs, shaded by its share of the line."""
    wanted: Counter[str] = Counter()
    for (reference, _), n in pairs.items():
        wanted[reference] += n
    common = [answer for answer, _ in wanted.most_common(COMMON)]
    lines = []
    for reference in common:
        counts = [pairs.get((reference, answer), 0) for answer in common]
        counts.append(wanted[reference] - sum(counts))
        cells = [
            f'<td class="{"own" if common[i : i + 1] == [reference] else ""}" '
            f'style="--v:{100 * n / wanted[reference]:.0f}%">{n or ""}</td>'
            for i, n in enumerate(counts)
        ]
        lines.append([escape(reference), plain(f"{wanted[reference]:,}"), *cells])
    head = ["right answer", "all", *common, "something else"]
    return table("What was answered (across) where another was right (down): questions", head, lines)
