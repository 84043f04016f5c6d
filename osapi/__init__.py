"""OSAPI: Linux servers as managed appliances."""

__version__ = "0.1.0"
