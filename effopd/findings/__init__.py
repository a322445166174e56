"""What the measurements say: estimates with intervals, speed-ups, a verdict for each claim, the summary in numbers."""
