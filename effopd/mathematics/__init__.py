"""Mathematical answers, however they are written: read whole or not at all, and compared by value."""
