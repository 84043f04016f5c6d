"""Alerts: what is wrong with hosts and components, and telling people of it.

`watcher` makes alerts out of beats and their absence, `notifier` tells of them, `record` is what lies on the broker.
"""
