"""Artifacts: one Parquet file a model × corpus × layer × kind. A module a kind, found by `store.kinds`, over `base`."""
