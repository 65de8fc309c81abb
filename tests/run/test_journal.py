import json
from pathlib import Path

import pytest

from piafusion.errors import OutputError
from piafusion.files import content_hash
from piafusion.run.journal import Journal


def test_what_was_done_is_found_again_under_the_same_settings(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "done.jsonl"
    journal = Journal(path, {"weights": "a"})
    assert not path.parent.exists()
    journal.add("1", {"value": 1})
    journal.add("2", {"value": 2})
    journal.add("1", {"value": 3})
    assert Journal(path, {"weights": "a"}).entries == {"1": {"value": 3}, "2": {"value": 2}}


def test_other_settings_start_anew_when_something_is_added(tmp_path: Path) -> None:
    path = tmp_path / "done.jsonl"
    Journal(path, {"weights": "a"}).add("1", {"value": 1})
    other = Journal(path, {"weights": "b"})
    assert other.entries == {}
    assert other.outdated == {"1": {"value": 1}}
    assert Journal(path, {"weights": "a"}).entries  # looking changed nothing
    other.add("2", {"value": 2})
    assert Journal(path, {"weights": "a"}).entries == {}
    assert Journal(path, {"weights": "b"}).entries == {"2": {"value": 2}}


@pytest.mark.parametrize("cut", [1, 5, 12])
def test_half_a_line_costs_its_own_item_alone(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "done.jsonl"
    journal = Journal(path, {})
    for key in "123":
        journal.add(key, {"value": key})
    path.write_bytes(path.read_bytes()[:-cut])
    torn = Journal(path, {})
    assert list(torn.entries) == ["1", "2"]
    torn.add("4", {"value": "4"})
    lines = path.read_text().splitlines()
    assert [json.loads(line)[0] for line in lines[1:]] == ["1", "2", "4"]


@pytest.mark.parametrize("content", ["", "{", "no json\n", '{"settings": {}}\n["1"]\n[1'])
def test_a_damaged_file_means_that_nothing_was_done(tmp_path: Path, content: str) -> None:
    path = tmp_path / "done.jsonl"
    path.write_text(content)
    assert Journal(path, {}).entries == {}
    Journal(path, {}).add("1", {})
    assert Journal(path, {}).entries == {"1": {}}


def test_a_folder_in_the_way_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="could not be written"):
        Journal(tmp_path, {}).add("1", {})


def test_digests_follow_the_content_and_where_one_file_ends(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_text("12")
    b.write_text("3")
    before = content_hash(a, b)
    a.write_text("1")
    b.write_text("23")
    assert len({before, content_hash(a, b), content_hash(b, a), content_hash(a)}) == 4
    assert content_hash(a, tmp_path / "none") == ""
