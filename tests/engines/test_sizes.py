from piafusion.engines import SizeCache


def test_the_size_used_longest_ago_goes_first() -> None:
    built = []
    cache = SizeCache(build=lambda size: built.append(size) or size, capacity=2)
    small, middle, large = ((8, 8),), ((16, 16),), ((32, 32),)
    for size in (small, small, middle, middle, small, large, large):
        cache.get(size)
    assert built == [small, middle, large]
    assert cache.get(small) == small  # kept: it was used after the middle one
    assert cache.get(middle) is None
    assert cache.get(middle) == middle
    assert built == [small, middle, large, middle]


def test_sizes_that_never_repeat_build_nothing() -> None:
    cache = SizeCache(build=lambda size: 1 / 0)
    assert all(cache.get(((side, side),)) is None for side in range(10))


def test_the_first_size_may_be_built_for_at_once() -> None:
    cache = SizeCache(build=len, first=True)
    sizes = (((8, 8),), ((16, 16),), ((16, 16),), ((8, 8),), ((32, 32),))
    assert [cache.get(size) is not None for size in sizes] == [True, False, True, True, False]
