"""Prometheus's rules, for the tests that hold others to them."""

from pathlib import Path
from typing import Any

import yaml

_FILES = sorted((Path(__file__).parents[2] / "deploy" / "prometheus" / "rules").glob("*.yml"))
RULES: list[dict[str, Any]] = [
    rule
    for file in _FILES
    for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
ALERTS = {rule["alert"] for rule in RULES if "alert" in rule}
