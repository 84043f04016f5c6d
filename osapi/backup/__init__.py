"""Backups: one file with all that an installation keeps on its broker, and its keys where that is wanted.

`archive` is the file, `sealing` its encryption, `contents` what is in it, `keys` the keys; `taking` and `restoring`
go between a broker and a file. The format is told of in docs/explanation/decisions/0020-backups.md.
"""
