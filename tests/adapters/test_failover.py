from app.adapters.failover import Failover

PROVIDERS = ("a", "b", "c")


def test_the_order_is_that_of_preference() -> None:
    assert Failover(60).order(PROVIDERS, 0) == ["a", "b", "c"]


def test_who_was_left_comes_last_until_the_time_is_over() -> None:
    failover = Failover(60)
    failover.use("b", PROVIDERS, 100)
    assert failover.order(PROVIDERS, 159.9) == ["b", "c", "a"]
    assert failover.order(PROVIDERS, 160) == ["a", "b", "c"]


def test_who_fails_when_its_time_is_over_is_left_anew() -> None:
    failover = Failover(60)
    failover.use("b", PROVIDERS, 100)
    failover.use("b", failover.order(PROVIDERS, 160), 160)
    assert failover.order(PROVIDERS, 219) == ["b", "c", "a"]
    assert failover.order(PROVIDERS, 220) == ["a", "b", "c"]


def test_using_another_in_the_meantime_does_not_lengthen_the_first_ones_time() -> None:
    failover = Failover(60)
    failover.use("b", PROVIDERS, 100)
    failover.use("c", failover.order(PROVIDERS, 130), 130)
    assert failover.order(PROVIDERS, 140) == ["c", "a", "b"]
    assert failover.order(PROVIDERS, 160) == ["a", "c", "b"]


def test_who_decides_again_is_left_no_longer() -> None:
    failover = Failover(60)
    failover.use("b", ("a", "b"), 100)
    failover.use("a", ("b", "a"), 120)
    assert failover.order(("a", "b"), 121) == ["a", "b"]
