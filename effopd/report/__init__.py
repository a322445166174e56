"""How findings are shown: figures, chapters, the page, model cards."""
