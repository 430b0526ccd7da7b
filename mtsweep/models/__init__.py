"""Models: where they are, how they are told their languages, and into memory."""
