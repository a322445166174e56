"""The one exception that a user's mistake or a broken workspace raises."""


class PipelineError(Exception):
    """A run cannot start or go on: the message names the key, file or stage and what to change."""
