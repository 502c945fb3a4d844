"""The chapters' networks, one generated module per framework."""
