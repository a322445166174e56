"""Losses: tensors in, scalar out. B sequences, T tokens, V vocabulary."""
