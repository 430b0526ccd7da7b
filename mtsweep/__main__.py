"""``python -m mtsweep``."""

from mtsweep.cli import main

if __name__ == "__main__":
    main()
