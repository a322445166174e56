"""Trajectories: which steps are kept, float32 checkpoints on disk, and the state that a killed run goes on from."""
