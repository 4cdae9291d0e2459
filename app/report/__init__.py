"""Results to figures, tables and a page; matplotlib is imported only when figures are drawn."""

from app.report.build import ReportFiles, report
from app.report.tables import summary_table

__all__ = ["ReportFiles", "report", "summary_table"]
