"""Checks for a class: a student's code beside the book's, and what differs in words."""
