"""What arrays are made of: NumPy or CuPy, BLAS, precision, random numbers, memory, and the twins of layers on a GPU."""
