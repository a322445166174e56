"""Extrapolation along the direction of training, called by a training loop at its triggers."""
