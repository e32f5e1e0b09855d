"""Extraction: corpora, word alignment and model families, into the store. Importing it does not import torch."""
