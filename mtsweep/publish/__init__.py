"""A run's model on the hub: a folder that stock libraries load, with its card, and nothing else."""

from mtsweep.publish.folder import Parcel, pack
from mtsweep.publish.upload import checked_name, send, welcome

__all__ = ["Parcel", "checked_name", "pack", "send", "welcome"]
