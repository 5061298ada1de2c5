"""Lists that are read page by page, newest first."""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlencode

from app.api.bodies import JsonObject, encoded
from app.api.requests import whole_number

GREATEST_LIMIT: Final = 1000
DEFAULT_LIMIT: Final = 100
READ_AT_ONCE: Final = 32
"""Items between two turns of whatever else waits: reading and writing so many takes a few milliseconds."""

LONGEST_DETAIL: Final = 300
"""Characters of what is said of something that cannot be read; it may quote what somebody put there."""


def limit_of(query: Mapping[str, str]) -> int:
    """`?limit=`. Raises a `ProblemError` outside its range."""
    return whole_number(query, "limit", least=1, greatest=GREATEST_LIMIT) or DEFAULT_LIMIT


def next_path(path: str, **query: object) -> str:
    """Where the next page is, to be followed as it stands."""
    return f"{path}?{urlencode(query)}"


def link_header(path: str, following: str | None, **query: object) -> str:
    """RFC 8288's way to the first page and to the next one, for whoever does not read the body."""
    first = f'<{next_path(path, **query)}>; rel="first"'
    return first if following is None else f'<{following}>; rel="next", {first}'


def encoded_list(name: str, items: Sequence[bytes], ending: JsonObject) -> bytes:
    """The JSON of a page: its items, which were encoded one by one, under `name`, and then `ending`."""
    return b"".join((b'{"', name.encode("ascii"), b'":[', b",".join(items), b"],", encoded(ending)[1:]))
