"""What a person sees: banner, plan, table, epilogue. Text from data is never read as markup."""

from mtsweep.terminal.after import epilogue
from mtsweep.terminal.before import banner, planned
from mtsweep.terminal.scored import abreast, parts, show
from mtsweep.terminal.screen import clock, console, count

__all__ = [
    "abreast",
    "banner",
    "clock",
    "console",
    "count",
    "epilogue",
    "parts",
    "planned",
    "show",
]
