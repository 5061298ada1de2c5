"""Which exposition format a scraper likes best."""

import re
from typing import Final

OPENMETRICS: Final = "application/openmetrics-text"
_QUALITY: Final = re.compile(r"[01](\.\d{0,3})?")


def prefers_openmetrics(accept: str) -> bool:
    """Whether `accept` names OpenMetrics and prefers nothing that Prometheus's text answers.

    prometheus-client's own negotiation knows no qualities, and fails on a version that is no number.
    """
    qualities: dict[str, float] = {}
    for media_range in accept.lower().split(","):
        name, *parameters = (part.strip() for part in media_range.split(";"))
        qualities[name] = max(qualities.get(name, 0.0), _quality(parameters))
    wanted = qualities.get(OPENMETRICS, 0.0)
    return wanted > 0 and wanted >= max(qualities.get(text, 0.0) for text in ("text/plain", "text/*", "*/*"))


def _quality(parameters: list[str]) -> float:
    """The `q` of a media range: 1 where there is none, 0 where it is no quality."""
    texts = [parameter[2:] for parameter in parameters if parameter.startswith("q=")]
    if not texts:
        return 1.0
    return float(texts[0]) if _QUALITY.fullmatch(texts[0]) else 0.0
