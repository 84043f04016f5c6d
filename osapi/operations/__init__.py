"""The catalogue: what hosts can be asked, one module per domain, one class per operation."""
