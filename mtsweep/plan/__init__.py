"""From jobs to a plan: who each run is, what is to be done, and which runs share a base model."""

from mtsweep.plan.grouping import Group, groups
from mtsweep.plan.identity import digest, identify
from mtsweep.plan.match import check_fit, room
from mtsweep.plan.planning import Plan, make, slug
from mtsweep.standing import Run

__all__ = [
    "Group",
    "Plan",
    "Run",
    "check_fit",
    "digest",
    "groups",
    "identify",
    "make",
    "room",
    "slug",
]
