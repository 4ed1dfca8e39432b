"""The tab that describes, with the bundled captioner."""

import numpy as np
import pytest
from gradio_client import handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from ui.models import Models
from ui.tabs.describe import Describe
from vqa.captioning.describe import Describer


def test_programs_get_the_sentence_and_its_maps(client, photo):
    found = client.predict(handle_file(photo), 3, 0, api_name="/describe")
    assert found["text"] == Describer.load().describe(str(photo)).text
    maps = np.array([word["attention"] for word in found["words"]])
    assert maps.shape == (len(found["words"]), 7, 7) and maps.sum((1, 2)) == pytest.approx(1, abs=1e-3)
    drawn = client.predict(handle_file(photo), 3, 1.5, api_name="/describe")
    assert drawn["score"] < found["score"]  # what is drawn by chance is less likely than what was searched for


def test_bad_input_is_told_in_a_sentence(client, photo):
    for beam, temperature, told in ((0, 0, "give 1 to 20"), (99, 0, "give 1 to 20"), (3, -1, "give one above 0")):
        with pytest.raises(AppError, match=told):
            client.predict(handle_file(photo), beam, temperature, api_name="/describe")
    with pytest.raises(AppError, match="no photo"):
        client.predict(None, 3, 0, api_name="/describe")
    broken = photo.with_name("broken.png")
    broken.write_bytes(photo.read_bytes()[:60])
    with pytest.raises(AppError, match=r"cannot be read|is damaged|is no photo|cut"):
        client.predict(handle_file(broken), 3, 0, api_name="/describe")


def test_the_page_shows_a_refusal_in_the_captions_place(models: Models):
    assert "no photo" in Describe(models).caption_of(None)["error"]
    shown, drawings = Describe(models).sample(None, 0.7, 4)
    assert "no photo" in shown["error"] and drawings == 5


@pytest.mark.browser
def test_step_through_the_sentence(page, address, tmp_path):
    from skimage import data

    Image.fromarray(data.chelsea()).save(tmp_path / "cat.png")
    page.set_default_timeout(30_000)
    page.goto(address)
    page.locator("#photo input[type=file]").first.set_input_files(tmp_path / "cat.png")
    page.locator("#photo img").wait_for()
    page.get_by_role("tab", name="Describe").click()
    page.locator("#describe").click()
    words = page.locator("#caption .sentence .chip:not(.play)")
    words.first.wait_for()
    assert page.locator("#caption .headline").inner_text() == " ".join(words.all_inner_texts())
    assert "Word 1 of" in page.locator("#caption").inner_text()
    words.first.press("ArrowRight")
    assert "Word 2 of" in page.locator("#caption").inner_text()
    assert words.nth(1).get_attribute("aria-pressed") == "true"
    words.last.click()
    assert f"Word {words.count()} of" in page.locator("#caption").inner_text()
    page.locator("#caption .play").click()
    page.get_by_text("Word 3 of").wait_for()
    page.locator("#caption .play").click()  # stops it
    page.locator("#by-chance").click()
    page.get_by_text("Word 1 of").wait_for()
    assert page.locator("#caption .failed").count() == 0 and words.count() > 0
