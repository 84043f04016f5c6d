"""The audit log's entries: how they are chained and sealed, and how one finds out that somebody has touched them.

A controller writes them (`controller.audit`); whoever has them, in the log or in a file, can check them.
"""
