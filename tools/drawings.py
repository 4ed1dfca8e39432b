"""Our own pictures, the icon and examples in the manner of easy-VQA's: `python -m tools.drawings` makes them again."""

from PIL import Image, ImageChops, ImageDraw

from ui import STATIC

SIDE, SMOOTH = 256, 4  # pixels; drawn larger and scaled down, so that edges are smooth
RED, BLUE, YELLOW = (200, 40, 40), (40, 80, 200), (235, 200, 40)
GROUNDS = {"red-circle": (225, 238, 230), "blue-and-yellow": (236, 228, 240)}
NIGHT, WHITE = (31, 12, 71), (252, 250, 244)
HEAT = ((85, 15, 109), (136, 33, 106), (227, 88, 50), (249, 140, 9), (252, 220, 120))
IRIS = ((0, 0, 1, 0, 0), (0, 1, 2, 3, 1), (0, 2, 3, 4, 2), (0, 1, 2, 3, 1), (0, 0, 1, 1, 0))
# shape, colour, centre and size, as shares of the side
SHAPES = {
    "red-circle": [("circle", RED, 0.42, 0.55, 0.26)],
    "blue-and-yellow": [("square", BLUE, 0.3, 0.34, 0.2), ("triangle", YELLOW, 0.68, 0.66, 0.24)],
}


def draw(name: str) -> Image.Image:
    """One drawing, RGB."""
    side = SIDE * SMOOTH
    image = Image.new("RGB", (side, side), GROUNDS[name])
    pen = ImageDraw.Draw(image)
    for shape, colour, x, y, size in SHAPES[name]:
        left, top, right, bottom = (side * edge for edge in (x - size, y - size, x + size, y + size))
        if shape == "circle":
            pen.ellipse((left, top, right, bottom), colour)
        elif shape == "square":
            pen.rectangle((left, top, right, bottom), colour)
        else:
            pen.polygon([((left + right) / 2, top), (right, bottom), (left, bottom)], colour)
    return image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def icon(side: int = 512) -> Image.Image:
    """An eye whose iris is a small attention map, within the middle nine tenths."""
    big = side * SMOOTH
    image = Image.new("RGB", (big, big), NIGHT)
    pen = ImageDraw.Draw(image)
    radius, middle, rise = 0.52 * big, big / 2, 0.27 * big  # two arcs of circles that meet make the eye
    lens = Image.new("L", (big, big), 0)
    for sign in (1, -1):
        arc = Image.new("L", (big, big), 0)
        y = middle + sign * rise
        ImageDraw.Draw(arc).ellipse((middle - radius, y - radius, middle + radius, y + radius), 255)
        lens = arc if sign == 1 else ImageChops.multiply(lens, arc)
    image.paste(WHITE, mask=lens)
    iris, cell = 0.225 * big, 0.09 * big
    grid = Image.new("RGB", (big, big), HEAT[0])
    cells = ImageDraw.Draw(grid)
    for row, levels in enumerate(IRIS):
        for column, level in enumerate(levels):
            x, y = (middle + (k - 2.5) * cell for k in (column, row))
            cells.rectangle((x, y, x + cell, y + cell), HEAT[level])
    round_iris = Image.new("L", (big, big), 0)
    ImageDraw.Draw(round_iris).ellipse((middle - iris, middle - iris, middle + iris, middle + iris), 255)
    image.paste(grid, mask=round_iris)
    pen.ellipse((middle - iris, middle - iris, middle + iris, middle + iris), outline=NIGHT, width=round(0.012 * big))
    return image.resize((side, side), Image.Resampling.LANCZOS)


def main() -> None:
    icon().save(STATIC / "icon-512.png", optimize=True)
    folder = STATIC / "examples"
    folder.mkdir(exist_ok=True)
    for name in SHAPES:
        draw(name).save(folder / f"{name}.webp", lossless=True)


if __name__ == "__main__":
    main()
