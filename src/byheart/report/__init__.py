"""The report: report.json and report.html, written and read."""
