"""The measures, one file each, called by the measure's name (see `measures/declaration.py`)."""
