"""Accuracy of checkpoints: avg@k, pass@k and intervals."""
