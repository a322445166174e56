"""Teachers: models that score every token of a student's completions, in this process or behind a URL."""
