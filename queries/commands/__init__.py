"""The commands of `layeratlas query` and `layeratlas plot`, made from the registry of questions."""
