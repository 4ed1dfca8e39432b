from tools.benchmark_gpu import measure


def test_it_runs_at_a_small_size_without_a_gpu() -> None:
    figures = measure(8, 8, 4, "cpu", image_size=32)
    assert all(value >= 0 for value in figures.values())
    assert {"epoch, s", "training, questions/s", "end to end, photos/s"} <= set(figures)
