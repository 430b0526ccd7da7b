"""What Hydra finds of mtsweep: the launcher and the search path of the user's own groups."""
