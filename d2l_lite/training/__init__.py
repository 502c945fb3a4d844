"""The loop that every framework shares, and what it measures."""
