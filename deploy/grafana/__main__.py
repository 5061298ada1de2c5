"""`python -m deploy.grafana` writes the dashboard's file."""

from deploy.grafana.dashboard import DESTINATION, rendered

DESTINATION.write_text(rendered(), encoding="utf-8")
