"""Tuned models in use: runs found by name, loaded, and given texts to translate."""
