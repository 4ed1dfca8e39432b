"""Models are compared with unseen photos and with the last one."""

from types import SimpleNamespace

from tools.benchmark_runtimes import compare


def test_every_model_is_asked_about_new_photos_and_the_same_one() -> None:
    asked: dict[str, list[bytes]] = {"slow": [], "fast": []}
    models = {name: SimpleNamespace(ask=lambda photo, _, own=own: own.append(photo)) for name, own in asked.items()}
    figures = compare(models, "slow", rounds=2, calls=2)
    for photos in asked.values():
        assert len(photos) == 12 and len(set(photos)) == 6 and photos[1] == photos[2] == photos[3]
    kinds = ("new photo", "same photo")
    expected = {f"{name}, {kind}, ms" for name in asked for kind in kinds}
    assert figures.keys() == expected | {f"fast, {kind}, times as fast as slow" for kind in kinds}
