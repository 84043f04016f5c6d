"""One module per domain, named as in `osapi.operations`; each touches the machine only through `Host`."""
