"""Seeing inside: attention and beam search as a page, a picture, and a story in the terminal."""
