"""Numbered changes of the catalog's schema, applied in order, each in a transaction."""
