"""From measurements to a page: what was reached when, a verdict for each claim, figures, words."""
