"""Our curvature against other people's, side by side in one run: ``python -m benchmarks``."""
