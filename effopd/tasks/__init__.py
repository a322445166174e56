"""What is trained and tested on: prompts, and verifiers that score a completion."""
