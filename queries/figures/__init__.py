"""Pictures of rows, with matplotlib. A renderer takes rows, returns a Figure, and never touches the database."""
