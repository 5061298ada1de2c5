"""The comparison as one HTML page that needs nothing but itself."""

from app.research.report.page import report_page

__all__ = ["report_page"]
