"""The figures of photo swap, computed by hand."""

from vqa.evaluation.probes.photo_swap import PhotoSwap


def record(photo: str, reference: str | None, right: int, swapped: str | None) -> dict:
    exact = None if reference is None else {"model": right}
    return {"photo": photo, "reference": reference, "exact": exact, "swapped": swapped}


RECORDS = [
    record("1", "yes", 1, "Yes."),
    record("1", "no", 0, "yes"),
    record("2", "dog", 1, "cat"),
    record("2", "orange", 0, "red"),
    record("3", "3", 0, "2"),
    record("3", "zebra", 0, "dog"),
    record("3", None, 0, "dog"),  # no known answer
]


def test_drop_of_the_questions_that_were_asked_about_another_photo() -> None:
    """Of the model's two right answers one is left."""
    ((name, figures),) = PhotoSwap(RECORDS).run()
    assert (name, figures["exact"], figures["drop"]) == ("grounding/photo_swap", 16.67, 16.67)
    assert figures["interval"][0] <= 16.67 <= figures["interval"][1]
    ((_, figures),) = PhotoSwap([*RECORDS[:5], record("3", "zebra", 0, None)]).run()
    assert (figures["exact"], figures["drop"]) == (20.0, 20.0)
    assert list(PhotoSwap([record("1", "yes", 1, None)]).run()) == list(PhotoSwap([]).run()) == []
