"""What the chapters of the book use: the project's own code on the page, pictures, checks, and one small translator."""
