"""How the shipped weights were made, and how to make others."""
