"""Losses of pictures, one number an image, shared by every room that compares pictures."""
