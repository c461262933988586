"""Real existence: a loss under masks, its converged minimum, and the sparsity where that passes."""
