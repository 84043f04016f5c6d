"""The audit log: who did what, from where, to which hosts, and how it ended (decision 14)."""
