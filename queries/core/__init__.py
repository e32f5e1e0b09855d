"""What all questions stand on: a table and its scope, SQL and its loading, the registry, matrices, statistics."""
