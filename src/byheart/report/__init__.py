"""From an audit's result to report.json, the report page and the terminal, and back."""
