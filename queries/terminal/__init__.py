"""Answers in a terminal: tables, heatmaps, progress. Takes rows, never touches the database."""
