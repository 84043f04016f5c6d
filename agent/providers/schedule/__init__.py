"""What hosts do at certain times, as in `osapi.operations.schedule`."""
