"""The store: identity and hashing, Parquet artifacts, the DuckDB catalog. Imports nothing of ours."""
