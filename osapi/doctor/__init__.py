"""The doctor: what keeps an installation from working, found on this machine and at its broker, with what mends it.

Each module has checks of one kind; a check looks, and changes nothing. `findings` is what they have in common,
`examine` runs them.
"""
