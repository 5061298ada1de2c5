import pytest

from tests.promql import metrics_of, selectors_of


@pytest.mark.parametrize(
    ("expression", "selectors"),
    [
        ("up", ["up"]),
        ("vector(1)", []),
        ("time() - a", ["a"]),
        ("sum by (job) (rate(a[5m]))", ["a"]),
        ("sum(a) by (job)", ["a"]),
        ("rate(a{x=\"1\", y=~'b|c'}[1h:30s] offset 5m) / b", ["a{x=\"1\", y=~'b|c'}", "b"]),
        ('a{x="up{}(y)"} > bool ignoring (bound) group_left (job) b:c:rate1h', ['a{x="up{}(y)"}', "b:c:rate1h"]),
        ("avg_over_time(a [24h]) > 0.15 and on (job) up == 1 unless absent(b)", ["a", "up", "b"]),
        ("1e3 * a - inf", ["a"]),
        (
            'histogram_quantile(0.95, sum by (le) (rate(a_bucket{job="$job"}[$__rate_interval])))',
            ['a_bucket{job="$job"}'],
        ),
        ('sum (a) without(pod)+count_values without (instance) ("value", b)', ["a", "b"]),
        ("max_over_time((a > b)[10m:15s])", ["a", "b"]),
    ],
)
def test_the_selectors_of_an_expression_are_found(expression: str, selectors: list[str]) -> None:
    assert selectors_of(expression) == selectors


def test_the_names_are_without_matchers_and_each_once() -> None:
    assert metrics_of('a{x="1"} / a{x="2"} + b') == {"a", "b"}
