from piafusion.run.progress import counted


def test_counting_tells_what_is_done() -> None:
    told = []
    for item in counted("abc", "reading", lambda *values: told.append(values)):
        told.append(item)
    assert told == [
        *[("reading", 0, 3), "a", ("reading", 1, 3), "b", ("reading", 2, 3), "c"],
        ("reading", 3, 3),
    ]
    told.clear()
    assert list(counted(iter("ab"), "x", lambda *values: told.append(values))) == ["a", "b"]
    assert told == [("x", 0, None), ("x", 1, None), ("x", 2, None)]
