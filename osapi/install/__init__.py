"""Installing the daemons as units of systemd, and taking them away again; `deb` makes a package of them for Debian."""
