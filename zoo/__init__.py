"""A zoo of small, really trained language models: how they were trained, and their weights."""
