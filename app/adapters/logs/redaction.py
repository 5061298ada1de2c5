"""Secrets, and the credentials of URLs, hidden in whatever is written."""

import base64
import json
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

HIDDEN: Final = "***"


def redactor(secrets: tuple[str, ...]) -> Callable[[str], str]:
    """What hides `secrets`, and the user, password and query of every URL, in a text.

    Of a secret that is a URL, its user, password, query values and the parts of its path that are no words are secrets
    by themselves; its host is none. A short secret, and a whole URL, is hidden where it is not part of a longer word
    or URL.
    """
    forms = {form for secret in secrets for part in _parts(secret) for form in _written_forms(part)}
    longest_first = sorted(forms - {""}, key=len, reverse=True)
    secret_text = re.compile("|".join(map(_pattern, longest_first))) if longest_first else None

    def redact(text: str) -> str:
        hidden = secret_text.sub(HIDDEN, text) if secret_text else text
        return _URL.sub(_without_credentials, hidden)

    return redact


_URL: Final = re.compile(
    r"""(?P<scheme>\b[a-z][a-z0-9+.-]*://)(?P<user>[^\s"'<>\\/?#]*@)?(?P<place>[^\s"'<>\\?#]*)(?P<query>\?[^\s"'<>\\#]*)?""",
    re.IGNORECASE,
)
_SHORTEST_PART: Final = 6
"""Characters below which a part of a URL is hidden only within it."""
_SHORTEST_LONG_PART: Final = 16
"""Characters from which on a text is no word that may stand in any line, such as `ethereum`."""
_WORD_STARTS: Final = r"(?:(?<!\w)|(?<=%[0-9A-Fa-f]{2})|(?<=\\[nrt]))"
"""Before a word; the last character of an escaped one is not part of it."""


def _without_credentials(url: re.Match[str]) -> str:
    user = f"{HIDDEN}@" if url["user"] else ""
    query = f"?{HIDDEN}" if url["query"] else ""
    return f"{url['scheme']}{user}{url['place']}{query}"


_USER_INFO: Final = re.compile(r"(?P<user>[^/?#:]*)(?P<password>:[^/?#]*)?@")
_DATABASE_USER_INFO: Final = re.compile(r"(?P<user>[^:@]*)(?P<password>:[^@]*)?@")
"""Databases' drivers take a password with a slash or a question mark in it, too."""
_DATABASES: Final = frozenset({"postgres", "postgresql"})
_FILES: Final = frozenset({"sqlite"})


def _parts(secret: str) -> set[str]:
    """What must not be seen of `secret`: all of it, and of a URL the parts that are secrets by themselves."""
    scheme, separator, rest = secret.partition("://")
    kind = scheme.lower().partition("+")[0]
    if not separator:
        return {secret}
    if kind in _FILES:
        return set()
    found = _USER_INFO.match(rest) or (_DATABASE_USER_INFO.match(rest) if kind in _DATABASES else None)
    path = "" if kind in _DATABASES else urlsplit(secret).path
    texts = (*_user_info(found), *_query_values(rest[found.end() :] if found else rest))
    segments = {segment for segment in path.split("/") if _is_no_word(segment)}
    return {secret, secret.rstrip("/"), *segments, *(text for text in texts if len(text) >= _SHORTEST_PART)}


def _user_info(found: re.Match[str] | None) -> tuple[str, ...]:
    """User and password, apart, together, and as HTTP's basic authentication sends them."""
    if found is None:
        return ()
    user, password = found["user"], (found["password"] or ":")[1:]
    basic = base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
    return (user, password, f"{user}:{password}", basic)


def _query_values(url: str) -> tuple[str, ...]:
    return tuple(value for _, value in parse_qsl(url.partition("?")[2].partition("#")[0]))


def _is_no_word(segment: str) -> bool:
    has_digit = any(character.isdigit() for character in segment)
    return len(segment) >= (_SHORTEST_PART if has_digit else _SHORTEST_LONG_PART)


def _pattern(form: str) -> str:
    text = re.escape(form)
    if "://" in unquote(form):
        return rf"{text}/?(?![\w/%]|[:.@?#-]\w)"
    return text if len(form) >= _SHORTEST_LONG_PART else rf"{_WORD_STARTS}{text}(?!\w)"


def _written_forms(text: str) -> set[str]:
    """`text` plain, percent-encoded and decoded, and as JSON and Python write it between quotes."""
    return {text, quote(text, safe=""), unquote(text), json.dumps(text)[1:-1], repr(text)[1:-1]}
