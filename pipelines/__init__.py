"""Photograph to photograph: what commands, the page and scripts all call."""
