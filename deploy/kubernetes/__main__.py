"""`python -m deploy.kubernetes` writes the object with the rules."""

from deploy.kubernetes.rules import DESTINATION, rendered

DESTINATION.write_text(rendered(), encoding="utf-8")
