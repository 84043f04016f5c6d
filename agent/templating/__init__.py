"""Templates: two languages, and the process that renders them. `agent.templates` is the way in."""

LARGEST = 10 * 2**20
"""Bytes that a template may have, and what it makes."""
