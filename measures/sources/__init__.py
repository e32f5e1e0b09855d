"""Layers as the engine reads them, one module a kind of artifact, called by the kind's name."""
