"""What a chart is told about a workload, from samples as they come."""

from inventory.series import fold


def test_workloads_are_added_up_per_moment() -> None:
    series = fold([(1, 0, 2, 2, 0), (2, 0, 3, 1, 0), (1, 300, 2, 1, 0), (2, 300, 3, 3, 0)])
    assert (series.at, series.wanted, series.ready) == ((0, 300), (5, 5), (3, 4))


def test_only_rises_of_the_counter_are_restarts() -> None:
    series = fold([(1, 0, 1, 1, 7), (1, 300, 1, 1, 9), (1, 600, 1, 1, 0), (1, 900, 1, 1, 1)])
    assert series.restarted == (0, 2, 0, 1)


def test_nothing_seen_is_an_empty_series() -> None:
    assert fold([]).at == ()
