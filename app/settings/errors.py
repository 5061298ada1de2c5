"""What stops a start."""

from app.domain.errors import OracleError


class SettingsError(OracleError):
    """Settings that stop the start: one line for each problem. No line carries a URL."""

    def __init__(self, problems: tuple[str, ...], warnings: tuple[str, ...] = ()) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
        self.warnings = warnings
