"""What readers wait for, measured against what they would use instead."""
