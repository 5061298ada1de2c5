import pytest

from tests.world.operations.prometheus import CONFIG, RULES
from tests.world.operations.scaling import scaled, scaled_duration, seconds


@pytest.mark.parametrize(
    ("duration", "factor", "faster"),
    [
        ("15s", 60, "250ms"),
        ("10m", 60, "10s"),
        ("1h", 60, "60s"),
        ("24h", 60, "1440s"),
        ("1h30m", 60, "90s"),
        ("250ms", 1, "250ms"),
        ("0s", 60, "0s"),
        ("1w", 10, "60480s"),
    ],
)
def test_a_duration_is_divided_to_the_millisecond(duration: str, factor: float, faster: str) -> None:
    assert scaled_duration(duration, factor) == faster


def test_a_duration_that_would_vanish_is_refused() -> None:
    with pytest.raises(ValueError, match="less than a millisecond"):
        scaled_duration("15s", 100_000)


def test_what_is_no_duration_is_refused() -> None:
    with pytest.raises(ValueError, match="no duration"):
        seconds("15")


def test_only_durations_change() -> None:
    text = """
    - record: deployment:fee:avg10m
      expr: avg_over_time(fee:newest[10m:15s]) and count_over_time(fee:newest[1h30m]) >= 0.9 * 40 > 3e5
      for: 5m
      interval: 15s  # 15s
      targets: [oracle:8600, 10.5.0.1:9093]
    """
    assert (
        scaled(text, 60)
        == """
    - record: deployment:fee:avg10m
      expr: avg_over_time(fee:newest[10s:250ms]) and count_over_time(fee:newest[90s]) >= 0.9 * 40 > 3e5
      for: 5s
      interval: 250ms  # 250ms
      targets: [oracle:8600, 10.5.0.1:9093]
    """
    )


def test_the_rules_and_the_configuration_are_the_same_after_there_and_back() -> None:
    for path in (CONFIG, *RULES.glob("*.yml")):
        text = path.read_text()
        faster = scaled(text, 60)
        assert faster != text
        assert scaled(scaled(faster, 1 / 60), 1) == scaled(text, 1)
