"""The sweep engine: takes a plan's groups to records, and lets no run take another along."""
