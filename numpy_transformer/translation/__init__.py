"""From text to text: translator, streams of any length, sentences."""
