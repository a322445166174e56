"""Losses: tensors in, loss per token out. B sequences, T tokens, V vocabulary, X outcomes that a teacher tells apart.

Each distillation loss is a module with a function of one signature, `loss(seen, its own options)`: from what is `Seen`
of the student's own tokens, any number of them (…), to a loss for each. Gradients flow into the student alone.
"""
