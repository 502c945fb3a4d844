"""From chapters to notebooks to pages: source, split, run, merge, check."""
