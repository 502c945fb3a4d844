"""What takes part in races: each module is a program that answers `benchmarks.race`."""
