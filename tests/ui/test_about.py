from ui.about import figures, text
from vqa.predict import VQA


def test_the_figures_are_those_of_the_model():
    model = VQA.load()
    results, told = model.extra("results.json"), text(model)
    assert f"| the model | {results['metrics']['exact']:.1f} % |" in told
    assert f"| the question without the photo | {results['baselines']['question_only']:.1f} % |" in told
    assert f"{results['n']:,} validation questions" in told
    assert f"{len(model.answers):,} answers" in told


def test_a_model_that_was_not_measured_says_so(vqa):
    assert vqa.extra("results.json") is None
    assert "This model was not measured." in text(vqa)


def test_what_is_missing_is_left_out():
    told = figures({"n": 10, "metrics": {"exact": 50.0}, "baselines": {}, "data": {}})
    assert "50.0" in told
    assert "None" not in told and "nan" not in told
