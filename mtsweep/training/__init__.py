"""Tuning: ``fit`` takes a model and pairs, and leaves the model tuned."""

from mtsweep.training.fit import Fitted, Listener, fit

__all__ = ["Fitted", "Listener", "fit"]
