"""Containers on hosts."""
