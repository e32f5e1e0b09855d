"""What one pass over the words gathers, one file a statistic (see `measures/declaration.py`)."""
