"""Origins are held as browsers write them, and one that no browser writes stops the start."""

import pytest

from tests.settings.given import load, problems, settings


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("*", ("*",)),
        ("https://app.example", ("https://app.example",)),
        (" https://app.example , http://localhost:3000,", ("https://app.example", "http://localhost:3000")),
        ("HTTPS://App.Example", ("https://app.example",)),
        ("https://app.example:443,http://app.example:80", ("https://app.example", "http://app.example")),
        ("https://app.example:80,http://app.example:0443", ("https://app.example:80", "http://app.example:443")),
        ("https://app.example,https://APP.example:443", ("https://app.example",)),
        ("http://[::1]:3000,http://127.0.0.1", ("http://[::1]:3000", "http://127.0.0.1")),
    ],
)
def test_origins_are_held_as_browsers_write_them(text: str, origins: tuple[str, ...]) -> None:
    assert settings(TAIKO_CORS_ORIGINS=text).cors_origins == origins


def test_without_them_none_are_let_in() -> None:
    assert settings().cors_origins is None
    assert load().settings.redacted()["TAIKO_CORS_ORIGINS"] is None


@pytest.mark.parametrize(
    "entry",
    ["app.example", "https://", "https://app.example/", "https://app.example/path", "ftp://app.example", "null",
     "https://*.app.example", "https://a@app.example", "https://app.example:", "https://app.example?x", "https://[::1",
     "https://app..example", "https://ａpp.example", "https://\u212aelvin.example"],
)  # fmt: skip
def test_what_no_browser_writes_is_refused_by_name(entry: str) -> None:
    (problem,) = problems(TAIKO_CORS_ORIGINS=f"https://good.example,{entry}")
    assert problem.startswith("TAIKO_CORS_ORIGINS: got 'entry 2 ")
    assert "expected * alone, or origins by commas: http or https" in problem


def test_everybody_and_somebody_contradict_each_other() -> None:
    (problem,) = problems(TAIKO_CORS_ORIGINS="*,https://app.example")
    assert problem.startswith("TAIKO_CORS_ORIGINS: got 'entry 1 (*)', expected * alone")


@pytest.mark.parametrize("port", ["0", "65536", "99999"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    (problem,) = problems(TAIKO_CORS_ORIGINS=f"https://app.example:{port}")
    assert problem.startswith("TAIKO_CORS_ORIGINS: got 'entry 1 ***', expected a port from 1 to 65535")


def test_a_nodes_url_in_their_place_is_not_said_since_it_may_hold_a_key() -> None:
    (problem,) = problems(TAIKO_CORS_ORIGINS="https://node.example/v3/the-key")
    assert "the-key" not in problem


def test_a_list_of_nothing_is_refused() -> None:
    (problem,) = problems(TAIKO_CORS_ORIGINS=", ,")
    assert problem.startswith("TAIKO_CORS_ORIGINS: got")
