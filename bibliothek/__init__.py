"""Bibliothek: a lending library for a space that people share."""

__version__ = "0.1.0"
