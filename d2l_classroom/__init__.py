"""Checks for a class: a student's code beside the book's, and what differs in words."""

from d2l_classroom.checker import check, compare, diagnose
from d2l_classroom.origin import given

__all__ = ["check", "compare", "diagnose", "given"]
