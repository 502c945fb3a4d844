"""The grader: returned notebooks are run, each in a process of its own, and marked."""
