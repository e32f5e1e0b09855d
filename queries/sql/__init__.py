"""The questions as SQL: one file a question, headed by its grain and columns."""
