"""The caption, by the bundled captioner."""

import numpy as np
import pytest
from gradio_client import handle_file
from gradio_client.exceptions import AppError

from vqa.captioning.describe import Describer


def test_programs_get_the_sentence_and_its_maps(client, photo):
    found = client.predict(handle_file(photo), 3, 0, api_name="/describe")
    assert found["text"] == Describer.load().describe(str(photo)).text
    maps = np.array([word["attention"] for word in found["words"]])
    assert maps.shape == (len(found["words"]), 7, 7) and maps.sum((1, 2)) == pytest.approx(1, abs=1e-3)
    drawn = client.predict(handle_file(photo), 3, 1.5, api_name="/describe")
    other = client.predict(handle_file(photo), 3, 1.5, 1, api_name="/describe")
    assert other["text"] != drawn["text"]  # another seed
    assert drawn["score"] < found["score"]  # what is drawn by chance is less likely than what was searched for


def test_bad_input_is_a_sentence(client, photo):
    for beam, temperature, message in ((0, 0, "give 1 to 20"), (99, 0, "give 1 to 20"), (3, -1, "give one above 0")):
        with pytest.raises(AppError, match=message):
            client.predict(handle_file(photo), beam, temperature, api_name="/describe")
    with pytest.raises(AppError, match="no photo"):
        client.predict(None, 3, 0, api_name="/describe")
    broken = photo.with_name("broken.png")
    broken.write_bytes(photo.read_bytes()[:60])
    with pytest.raises(AppError, match=r"cannot be read|is damaged|is no photo|cut"):
        client.predict(handle_file(broken), 3, 0, api_name="/describe")
