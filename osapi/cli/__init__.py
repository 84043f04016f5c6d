"""The command line: `main` starts it, `root` and `tree` are its groups, `commands` is read off declarations."""
