"""Hydra sweeps that fine-tune translation models and end with a comparison you can believe."""

__version__ = "0.1.0"
