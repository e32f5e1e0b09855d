"""The report: one HTML page with figures to explore, tables, and the provenance of every number. Loads nothing."""
