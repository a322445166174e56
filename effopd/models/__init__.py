"""Hugging Face models and tokenizers: build, load and save, with float32 master weights."""
