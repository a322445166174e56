"""Training loops that read like the algorithms, and what they share."""
