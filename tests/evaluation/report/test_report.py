"""The report: one page that stands alone, whatever the data holds, and is opened in a browser."""

import base64
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markupsafe import escape
from PIL import Image

from vqa.data.examples import Example
from vqa.evaluation.answers.scores import Answered, Judge, Record
from vqa.evaluation.report.report import measurements, mix_ups, templates, verdict, write_report
from vqa.evaluation.results import results
from vqa.model.errors import InputError

TAG = '<script>alert("&")</script>'
TAG_SHOWN = str(escape(TAG))
NASTY = """</script><img src=x onerror="document.title='caught'"> & 'quoted' $data \u2028"""


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """130 questions about 5 photos, of which one is missing; every third is right."""
    folder, generator = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for photo in range(4):
        Image.fromarray(generator.integers(0, 255, (60, 80, 3), dtype=np.uint8)).save(folder / f"{photo}.png")
    judge, made = Judge(None, None), []
    for i in range(130):
        question = NASTY if i == 0 else f"what is number {i}?"
        example = Example(str(folder / f"{i % 5}.png"), question, "yes" if i % 2 else NASTY, question_id=i, source="a")
        prediction = ("yes" if i % 2 else NASTY) if i % 3 == 0 else "no"
        shown = generator.integers(0, 255, (7, 7), dtype=np.uint8)
        sure = 0.9 if i == 1 else 0.5
        made.append(judge.record(Answered(i, example, prediction, sure, (("yes", sure), ("no", 0.1)), attention=shown)))
    return made


def content(records: list[Record]) -> dict[str, Any]:
    return results(None, records, {"files": ["some.jsonl"], "n": 131}, skipped={"photo": 1}, name="<b>stub</b>")


@pytest.fixture(scope="module")
def report(records: list[Record], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path, advanced = tmp_path_factory.mktemp("report") / "report.html", []
    write_report(path, content(records), records, advanced.append)
    assert sum(advanced) == len(records)
    return path


def test_page_needs_no_other_file(report: Path) -> None:
    page = report.read_text(encoding="utf-8")
    assert not re.search(r"(src|href)=[\"']?(https?:|//|/)", page)
    assert "default-src 'none'" in page
    assert "<b>stub</b>" not in page and "&lt;b&gt;stub" in page
    assert page.count("</script>") == 3 and "$" + "title" not in page
    assert "130 questions were scored; left out: 1 with no readable photo" in page
    assert "1 of 5 photos could not be read" in page
    pictures = re.findall(r'"(UklGR[^"]*)"', page)
    assert len(pictures) == 4 and all(base64.b64decode(picture)[8:12] == b"WEBP" for picture in pictures)


def test_what_is_missing_is_left_out(tmp_path: Path, records: list[Record]) -> None:
    write_report(tmp_path / "bare.html", {"n": 0}, [])
    write_report(tmp_path / "few.html", {"n": 2, "tables": {}}, [r | {"attention": None} for r in records[:2]])
    for name in ("bare", "few"):
        assert (tmp_path / f"{name}.html").read_text().startswith("<!doctype html>")
    with pytest.raises(InputError, match="cannot be written"):
        write_report(tmp_path / "nowhere/report.html", {"n": 0}, [])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bare.html", "few.html"]


@pytest.mark.parametrize(
    ("exact", "floor", "interval", "message"),
    [
        (41.7, 32.3, [8.1, 10.7], "It beats guessing without looking, by 9.4 points"),
        (30.0, 32.0, [-3.0, -1.0], "It is worse than guessing without looking, by 2.0 points"),
        (33.0, 32.0, [-1.0, 3.0], "It cannot be told from guessing"),
        (33.0, 32.0, None, "1.0 points above guessing without looking; how sure that is, is not known"),
        (33.0, None, None, "is not known: there is no such guess"),
    ],
)
def test_the_first_sentence(exact: float, floor: float | None, interval: list | None, message: str) -> None:
    content = {"metrics": {"exact": exact}, "baselines": {"question_only": floor}}
    assert message in verdict(content | {"intervals": {"above_question_only": interval}})


def tables() -> Any:
    return templates().get_template("tables.html").module


def figures(**content: Any) -> str:
    return "".join(tables().measurement(measured) for measured in measurements(content))


def cells(html: str) -> list[list[str]]:
    """The text of each cell, row by row."""
    rows = re.findall("<tr>(.*?)</tr>", html, re.DOTALL)
    return [[re.sub("<.*?>", "", cell) for cell in re.findall("<t[hd].*?</t[hd]>", row, re.DOTALL)] for row in rows]


def test_table_of_all_questions() -> None:
    row = {"n": 1200, "model": 41.7, "majority": 19.8, "official": {"n": 30, "model": 39.1, "majority": 16.0}}
    html = tables().overall(row)
    head, model, commonest = cells(html)
    assert head == ["answer by", "exact", "official"] and "All 1,200 questions" in html
    assert model[0].startswith("model") and model[1:] == ["41.7", "39.1"]
    assert commonest[0].startswith("commonest") and commonest[1:] == ["19.8", "16.0"]


def test_table_of_kinds_of_questions() -> None:
    rows = {TAG: {"n": 5, "model": 50.0, "question_only": 60.0}, "b": {"n": 9, "model": 10.0, "question_only": 2.5}}
    html = tables().group("by_source", rows)
    assert cells(html) == [
        ["", "questions", "gain", "model", "question only"],
        ["b", "9", "+7.5", "10.0", "2.5"],  # the largest first
        [TAG_SHOWN, "5", "-10.0", "50.0", "60.0"],
    ]
    lengths = {"10+ words": {"n": 1, "model": 0.0}, "5-6 words": {"n": 1, "model": 0.0}, "1-4 words": {"n": 1}}
    names = [line[0] for line in cells(tables().group("by_question_length", lengths))]
    assert names == ["", "1-4 words", "5-6 words", "10+ words"]
    many = {str(i): {"n": 1, "model": 0.0} for i in range(16)}
    assert "data-fold" in tables().group("by_question_type", many) and "data-fold" not in html


def test_tables_of_any_figures() -> None:
    strange = {"strange": ["left", "out"]}
    parts = {"kept": {"exact": 40.0, "note": "left out"}, "random": {"exact": None, "confidence": 30.0}}
    html = figures(grounding={"deletion": {"n": 500, "interval": [1.5, 2.5], "region": [3, 3], **parts, **strange}})
    rows = [["kept", "40.0", "n/a"], ["random", "n/a", "30.0"], ["95% interval", "1.5 to 2.5"], ["region", "3 x 3"]]
    assert all(row in cells(html) for row in rows)
    assert "left" not in re.sub("<p>.*?</p>", "", html) and "covered" in html
    damage = {"n": 5, "variants": {"typos": {"exact": 1.0, "drop": 2.0}}}
    assert ["typos", "1.0", "2.0"] in cells(figures(robustness=damage))
    glimpses = [{"peak": {"attention": 30.0}}, {"peak": {"attention": 70.0}}]
    boxes = {"n": 5, "peak": {"attention": 50.0}, "glimpses": glimpses}
    peaks = [line for line in cells(figures(grounding={"boxes": boxes})) if line[0].startswith("peak")]
    assert peaks == [["peak", "50.0"], ["peak, glimpse 1", "30.0"], ["peak, glimpse 2", "70.0"]]
    assert figures(grounding={"new": {}, "newer": None}, robustness=None) == ""
    assert TAG not in figures(grounding={TAG: {TAG: 1}})


def test_table_of_mix_ups() -> None:
    pairs = Counter({("cat", "cat"): 5, ("cat", "dog"): 2, ("dog", "dog"): 3, ("cat", "zebu"): 1, (TAG, "cat"): 1})
    assert cells(tables().mix_ups(mix_ups(pairs))) == [
        ["right answer", "all", "cat", "dog", TAG_SHOWN, "something else"],
        ["cat", "8", "5", "2", "", "1"],
        ["dog", "3", "", "3", "", ""],
        [TAG_SHOWN, "1", "1", "", "", ""],
    ]


def test_curves_go_through_their_points() -> None:
    curves: Any = templates().get_template("curves.html").module
    bins = [{"n": 10, "confidence": 0.0, "accuracy": 100.0}, {"n": 12_345, "confidence": 100.0, "accuracy": 0.0}]
    svg = curves.reliability(bins)
    assert 'points="40.0,26.0 390.0,264.0"' in svg
    assert svg.count("<circle") == 2 and svg.count('class="column"') == 2 and ">10<" in svg and ">12k<" in svg
    svg = curves.coverage([{"coverage": 50, "accuracy": 75.0}, {"coverage": 100, "accuracy": 41.6}])
    assert svg.count("<circle") == 2 and ">75%<" in svg and ">42%<" in svg


@pytest.fixture
def opened(page, report: Path):
    """The report in a browser; at the end no script has failed and nothing was fetched."""
    failed, asked = list[str](), list[str]()
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.on("console", lambda message: failed.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report.as_uri())
    page.locator(".card").first.wait_for()
    yield page
    assert failed == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert page.title() != "caught"


@pytest.mark.browser
def test_the_gallery_filters(opened) -> None:
    cards = opened.locator(".card")
    assert cards.count() == 60 and "60 of 130 questions shown" in opened.locator("#count").inner_text()
    assert cards.first.locator("h3").text_content().startswith("</script><img")
    opened.locator("#more").press("Enter")  # cards above it get their height when they come near: a pointer may miss it
    cards.nth(119).wait_for()
    assert cards.count() == 120
    opened.get_by_label("right 44", exact=True).check()
    opened.locator("#count", has_text="44 of 44 questions shown").wait_for()
    assert opened.locator(".card.wrong").count() == 0
    opened.get_by_label("surprising 1", exact=True).check()
    opened.locator("#count", has_text="1 of 1 questions shown").wait_for()
    assert "Wrong, though sure" in cards.first.text_content()
    opened.get_by_label("all 130", exact=True).check()
    opened.locator("#find").fill("number 77")
    opened.locator("#count", has_text="1 of 1 questions shown").wait_for()
    opened.locator("#find").fill("")
    opened.locator("#order").select_option("surest")
    opened.locator(".card h3", has_text="what is number 1?").first.wait_for()
    assert cards.first.locator("h3").text_content() == "what is number 1?"
    opened.locator("#type").select_option("=other")
    opened.locator("#count", has_text="of 65 questions shown").wait_for()


@pytest.mark.browser
def test_the_heat_lies_over_the_photo_and_can_be_turned_off(opened) -> None:
    frame = opened.locator(".card .frame").first
    frame.scroll_into_view_if_needed()
    canvas = frame.locator("canvas")
    canvas.wait_for()
    assert re.search(r"attention: strongest \w+", canvas.get_attribute("aria-label"))
    before = frame.screenshot()
    opened.locator("#heat").uncheck()
    assert frame.screenshot() != before and not canvas.is_visible()
    assert opened.locator(".card", has_text="number 4?").locator(".frame").first.text_content() == "no picture"
