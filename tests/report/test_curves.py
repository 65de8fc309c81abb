import re

from piafusion.report.curves import cumulative_curves, line_styles

LOOKS = line_styles(["average", "maximum", *(f"m{i}" for i in range(10))])


def test_every_method_looks_different() -> None:
    assert len(set(LOOKS.values())) == len(LOOKS)
    assert LOOKS["average"][0] == LOOKS["maximum"][0]


def test_curves_rise_over_the_share_of_pairs() -> None:
    svg = cumulative_curves("tno", "MI ↑", {"m0": [3.0, 1.0, 2.0], "m1": [2.0]}, LOOKS)
    assert svg == cumulative_curves("tno", "MI ↑", {"m0": [1.0, 2.0, 3.0], "m1": [2.0]}, LOOKS)
    colour = LOOKS["m0"][0]
    (path,) = re.findall(rf'<path d="([^"]+)"[^>]*stroke: {colour}[^>]*stroke-linecap: square', svg)
    points = re.findall(r"([\d.]+) ([\d.]+)", path)
    across, down = zip(*((float(x), float(y)) for x, y in points), strict=True)
    assert len(points) == 3
    assert list(across) == sorted(across)
    assert list(down) == sorted(down, reverse=True)  # y grows downwards


def test_a_drawing_takes_the_ink_of_the_page_and_nothing_from_elsewhere() -> None:
    svg = cumulative_curves("tno", "MI ↑", {"m0": [1.0, 2.0]}, LOOKS)
    assert svg.startswith('<svg role="img" aria-label="MI ↑ on tno, cumulative"')
    assert "currentColor" in svg
    assert "http" not in svg
    assert "#ffffff" not in svg
    assert ">share of pairs</text>" in svg
