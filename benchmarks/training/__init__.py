"""The parts of benchmarks/training_step.py."""
