from pathlib import Path

import pytest

from piafusion.errors import UsageError
from piafusion.lab.evaluation.sets import Failure, read_sets, spread
from tests.lab.evaluation.conftest import STEMS


def test_names_and_lights(root: Path) -> None:
    named, plain = read_sets([f"msrs/test={root}", str(root)])
    assert (named.name, plain.name) == ("msrs/test", "data")
    assert named.lights == {"1D": "day", "2D": "day", "3N": "night", "4N": "night"}
    assert [pair.stem for pair in named.pairs] == list(STEMS)


def test_one_stem_that_does_not_tell_leaves_the_light_untold(root: Path) -> None:
    for name in ("ir", "vi"):
        (root / name / "1D.png").rename(root / name / "1.png")
    assert read_sets([str(root)])[0].lights == {}


def test_a_limit_spreads_and_what_has_no_counterpart_is_told(root: Path) -> None:
    (root / "ir" / "2D.png").unlink()
    (data,) = read_sets([f"tiny={root}"], limit=2)
    assert [pair.stem for pair in data.pairs] == ["1D", "4N"]
    assert data.known == {"1D", "3N", "4N"}
    assert [(each.data, each.method) for each in data.failures] == [("tiny", "")]
    assert "2D.png: no counterpart" in str(data.failures[0])


def test_spread() -> None:
    assert spread("abcdefghi", 3) == ["b", "e", "h"]
    assert spread("ab", 5) == ["a", "b"]
    assert spread("abc", 0) == []


@pytest.mark.parametrize("name", ["../x", "a b", "", "a/", "/a", ".hidden", "a/../b"])
def test_names_that_cannot_be_folders(root: Path, name: str) -> None:
    with pytest.raises(UsageError, match="expected a data set named"):
        read_sets([f"{name}={root}"])


def test_two_sets_of_one_name(root: Path) -> None:
    with pytest.raises(UsageError, match="a second data set named 'tiny'"):
        read_sets([f"tiny={root}", f"tiny={root}"])


def test_failures_name_set_and_method() -> None:
    assert str(Failure("tno", "GTF", "lost")) == "GTF on tno: lost"
    assert str(Failure("tno", "", "lost")) == "tno: lost"


def test_boxes_belong_to_pairs_and_bad_ones_are_named_once(root: Path) -> None:
    boxes = root / "boxes" / "infrared"
    boxes.mkdir(parents=True)
    for stem, text in (("1D", ""), ("2D", "0 0.5 0.5 2 2\n"), ("9D", ""), ("3N", "0 .5 .5 .1 .2")):
        (boxes / f"{stem}.txt").write_text(text)
    (data,) = read_sets([f"tiny={root}"])
    assert data.boxes == {stem: boxes / f"{stem}.txt" for stem in ("1D", "3N")}
    malformed, stray = map(str, data.failures)
    assert malformed.startswith(f"tiny: {boxes / '2D.txt'}, line 1: expected a class and centre")
    assert stray == (
        f"tiny: {boxes / '9D.txt'}: expected boxes of a pair, found no pair 9D; add its pictures "
        "or remove the file"
    )
    assert all("\n" not in line for line in (malformed, stray))
