import pytest

from vqa.model.configuration import VQAConfig
from vqa.model.errors import InputError


def test_answers_are_in_the_order_of_their_numbers_also_when_saved(tmp_path):
    labels, sure = {2: "no", 0: "yes", 1: "teddy bear"}, {"number": 0.5}
    config = VQAConfig(id2label=labels, bidirectional=True, hidden_size=7, sure=sure)
    assert config.sure == sure
    assert config.answers == ["yes", "teddy bear", "no"]
    assert config.question_size == 14
    config.save_pretrained(tmp_path)
    assert VQAConfig.from_pretrained(tmp_path).to_dict() == config.to_dict()  # JSON turns the numbers into text


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"attention": "sparse"}, "attention is 'sparse'; choose one of soft, hard, none"),
        ({"recurrent_cell": "qrnn"}, "choose one of rnn, lstm, gru"),
        ({"fusion": "sum"}, "choose one of product, concat"),
        ({"loss": "hinge"}, "choose one of sigmoid, softmax"),
        ({"attention": "hard", "glimpses": 2}, "has one glimpse, not 2"),
        ({"coordinates": "polar"}, "coordinates is 'polar'; choose one of False, True, cells"),
        ({"looks": 3, "glimpses": 2}, "Each of 3 looks is one soft glimpse"),
        ({"sure": {"colour": 0.5}}, "give a confidence from 0 to 1 for each of yes/no, number, other"),
        ({"sure": {"number": 1.5}}, "give a confidence from 0 to 1"),
        ({"dropout": float("nan")}, "dropout is nan; give a share from 0 to 1"),
        ({"yes_no_temperature": "1"}, "yes_no_temperature is 1; set a number"),
        ({"temperature_slope": 11.0}, "temperature_slope is 11.0; set a number from -10 to 10"),
        ({"temperature": 0.0}, "temperature is 0.0; set a number from 0.001 to 1,000"),
        ({"yes_no_temperature": float("nan")}, "yes_no_temperature is nan"),
        ({"blind_temperature": -1.0}, "blind_temperature is -1.0"),
        ({"looks": 0}, "looks is 0; give a number from 1 to 64"),
        ({"num_layers": 1 << 19}, "num_layers is 524288; give a number from 1 to 16"),
        ({"dropout": None}, "dropout is None, no float; correct config.json"),
    ],
)
def test_a_setting_that_does_not_exist_is_reported(settings, message):
    with pytest.raises(InputError, match=message):
        VQAConfig(**settings)


def test_an_older_checkpoint_has_no_thresholds():
    content = {name: value for name, value in VQAConfig().to_dict().items() if name != "sure"}
    assert VQAConfig.from_dict(content).sure == VQAConfig().sure == {}
