"""What hosts do at certain times."""
