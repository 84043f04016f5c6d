"""Networks of hosts: through netplan(5) where they are configured, and ip(8) as they are."""
