"""The report: one page that stands alone, whatever the data holds, and is opened in a browser."""

import base64
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vqa.data.examples import Example
from vqa.evaluation.answers.predictions import Answered
from vqa.evaluation.answers.scores import Judge, Record
from vqa.evaluation.report.report import verdict, write_report
from vqa.evaluation.results import results
from vqa.model.errors import InputError

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


def test_it_stands_alone(report: Path) -> None:
    page = report.read_text(encoding="utf-8")
    assert not re.search(r"(src|href)=[\"']?(https?:|//|/)", page)
    assert "default-src 'none'" in page
    assert "<b>stub</b>" not in page and "&lt;b&gt;stub" in page
    assert page.count("</script>") == 3 and "$" + "title" not in page
    assert "130 questions were scored; left out: 1 with no readable photo" in page
    assert "1 of 5 photos could not be read" in page


def test_what_is_missing_is_left_out(tmp_path: Path, records: list[Record]) -> None:
    write_report(tmp_path / "bare.html", {"n": 0}, [])
    write_report(tmp_path / "few.html", {"n": 2, "tables": {}}, [r | {"attention": None} for r in records[:2]])
    for name in ("bare", "few"):
        assert (tmp_path / f"{name}.html").read_text().startswith("<!doctype html>")
    with pytest.raises(InputError, match="cannot be written"):
        write_report(tmp_path / "nowhere/report.html", {"n": 0}, [])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bare.html", "few.html"]


@pytest.mark.parametrize(
    ("exact", "floor", "interval", "told"),
    [
        (41.7, 32.3, [8.1, 10.7], "It beats guessing without looking, by 9.4 points"),
        (30.0, 32.0, [-3.0, -1.0], "It is worse than guessing without looking, by 2.0 points"),
        (33.0, 32.0, [-1.0, 3.0], "It cannot be told from guessing"),
        (33.0, 32.0, None, "1.0 points above guessing without looking; how sure that is, is not known"),
        (33.0, None, None, "is not known: there is no such guess"),
    ],
)
def test_the_first_sentence(exact: float, floor: float | None, interval: list | None, told: str) -> None:
    assert told in verdict(exact, floor, interval)


@pytest.fixture
def opened(page, report: Path):
    """The report in a browser; at the end no script has failed and nothing was fetched."""
    failed: list[str] = []
    asked: list[str] = []
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


def test_the_pages_pictures_are_the_photos(report: Path) -> None:
    found = re.findall(r'"(UklGR[^"]*)"', report.read_text(encoding="utf-8"))
    assert len(found) == 4 and all(base64.b64decode(picture)[8:12] == b"WEBP" for picture in found)
