-- Grain: one row a column of a view that SQL can rely on. Columns: name_of_view, name_of_column.
SELECT table_name AS name_of_view, column_name AS name_of_column
FROM duckdb_columns()
WHERE schema_name = 'main' AND table_name IN (SELECT view_name FROM duckdb_views() WHERE NOT internal)
ORDER BY table_name, column_index
