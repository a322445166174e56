"""Sampling completions, with the log-probability of every sampled token."""
