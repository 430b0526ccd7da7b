"""Tuning: ``fit`` takes a model and pairs, and leaves the model tuned."""

from mtsweep.training.choice import DevSet
from mtsweep.training.fit import Fitted, Listener, fit, trainer_class

__all__ = ["DevSet", "Fitted", "Listener", "fit", "trainer_class"]
