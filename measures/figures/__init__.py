"""A layer's own figures, one file a figure, called by the figure's name (see `measures/figure.py`)."""
