"""What a program shows on a terminal."""
