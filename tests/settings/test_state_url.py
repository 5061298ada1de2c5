"""Where the journal is kept."""

import pytest

from app.settings import StoreKind
from tests.settings.given import SECRET, problems, settings


class TestStateUrl:
    def test_it_is_a_file_below_the_working_directory_unless_told_otherwise(self) -> None:
        found = settings().state_url
        assert (found.kind, found.path) == (StoreKind.SQLITE, "var/taiko-fee-oracle.db")
        assert found.shown == found.url == "sqlite:///var/taiko-fee-oracle.db"

    @pytest.mark.parametrize(
        ("text", "path"),
        [("sqlite:////var/lib/oracle.db", "/var/lib/oracle.db"), ("SQLite:///a b/c.db", "a b/c.db")],
    )
    def test_a_file_may_be_anywhere(self, text: str, path: str) -> None:
        found = settings(TAIKO_STATE_URL=text).state_url
        assert (found.kind, found.path, found.url) == (StoreKind.SQLITE, path, f"sqlite:///{path}")

    @pytest.mark.parametrize(
        "url",
        [
            f"postgresql://oracle:{SECRET}@db.example:5432/oracle",
            f"postgres://oracle:{SECRET}@db.example/oracle?sslmode=verify-full",
            "postgresql:///oracle?host=/run/postgresql",
            f"PostgreSQL://oracle:{SECRET}%23@[::1]/oracle",
        ],
    )
    def test_a_database_shows_nothing_but_that_it_is_one(self, url: str) -> None:
        found = settings(TAIKO_STATE_URL=url).state_url
        assert (found.kind, found.path, found.url, found.shown) == (
            StoreKind.POSTGRESQL, None, url, "postgresql://***",
        )  # fmt: skip
        assert SECRET not in repr(found)

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (f"mysql://u:{SECRET}@x/y", "got '***', expected sqlite:///"),
            (f"/var/{SECRET}.db", "got '***', expected sqlite:///"),
            (f"sqlite://{SECRET}.db", "sqlite:/// and the path of a file"),
            (f"sqlite:///{SECRET}.db?mode=memory", "without options"),
            (f"sqlite:///{SECRET}/", "the path of a file"),
            ("sqlite:///:memory:", "the path of a file"),
            ("sqlite:///", "the path of a file"),
            (f"postgresql://u:{SECRET}@x.example", "expected postgresql://user:password@host:port/database"),
            (f"postgresql://u:{SECRET}#1@x.example/y", "% codes for the special characters"),
            (f"postgresql://u:{SECRET}/1@x.example/y", "% codes for the special characters"),
            (f"postgresql://u:{SECRET} 1@x.example/y", "% codes for the special characters"),
            (f"postgresql://u:{SECRET}@x.example:99999/y", "expected postgresql://user:password@host:port/database"),
            (f"postgresql://u@x.example/y?sslmod={SECRET}", "no other options than"),
            (f"postgresql://u@x.example/y?sslmode=require&{SECRET}=1", "no other options than"),
        ],
    )
    def test_what_is_neither_is_refused_and_not_shown(self, text: str, said: str) -> None:
        (line,) = problems(TAIKO_STATE_URL=text)
        assert said in line
        assert SECRET not in line
