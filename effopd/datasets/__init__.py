"""Published datasets and the user's own: where they come from, what their rows mean, how they are put to a model."""
