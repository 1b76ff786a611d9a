"""What a person would write for a bit less: in the unit that was used, or in the one below it, and never in bytes that nobody wrote."""

import pytest

from actions.amounts import kinds_in, number_of, numbers_towards, quantities_towards
from actions.registry import action_named


@pytest.mark.parametrize(
    ("asked", "now", "between"),
    [
        ("2Gi", "512Mi", "1920Mi 1792Mi 1664Mi 1536Mi 1408Mi 1280Mi 1152Mi 1Gi 896Mi 768Mi 640Mi"),
        ("128Mi", "512Mi", "160Mi 192Mi 224Mi 256Mi 288Mi 320Mi 352Mi 384Mi 416Mi 448Mi 480Mi"),
        ("600Mi", "512Mi", "576Mi"),
        ("2", "500m", "1800m 1600m 1400m 1200m 1 800m 600m"),
        ("0.5", "0.25", "450m 400m 350m 300m"),
        ("100m", "1", "200m 300m 400m 500m 600m 700m 800m 900m"),
        ("1G", "500M", "900M 800M 700M 600M"),
        ("805306368", "402653184", "800000000 700000000 600000000 500000000"),
        ("7E", "1n", "6E 5E 4E 3E 2E 1E"),
        ("1024Mi", "1Gi", ""),
        ("513Mi", "512Mi", ""),
    ],
)
def test_between_two_quantities_lie_round_ones(asked: str, now: str, between: str) -> None:
    assert list(quantities_towards(asked, now)) == between.split()


@pytest.mark.parametrize(
    ("asked", "last", "between"),
    [(4, 7, [5, 6, 7]), (4, 4, []), (600, 400, [*range(595, 400, -5), 400]), (1000, 1, [*range(980, 0, -20), 1])],
)
def test_between_two_numbers_lie_all_or_the_round_ones(asked: int, last: int, between: list[int]) -> None:
    assert list(numbers_towards(asked, last)) == between


@pytest.mark.parametrize("value", [None, True, "", "none", "512 Mi", "NaN", "-1", 1.5, [1]])
def test_what_is_no_amount_compares_to_nothing(value: object) -> None:
    assert number_of(value) is None


def test_amounts_are_compared_by_what_they_come_to() -> None:
    assert number_of("1Gi") == number_of("1024Mi")
    assert number_of("500m") == number_of("0.5")
    assert number_of(2) == number_of("2")


@pytest.mark.parametrize(
    ("action", "names"),
    [
        ("resize-containers", {"cpu_request", "cpu_limit", "memory_request", "memory_limit"}),
        ("resize-workload", {"replicas", "min_replicas", "max_replicas", "for_minutes"}),
        ("get-namespace-access", {"minutes"}),
        ("rollback-workload", set()),
        ("patch-image", set()),
    ],
)
def test_a_revision_is_no_amount(action: str, names: set[str]) -> None:
    assert set(kinds_in(action_named(action).params)) == names
