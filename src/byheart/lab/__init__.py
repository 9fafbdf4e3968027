"""The lab: where does memorization stop as data grow? It uses the audit, never the other way."""
