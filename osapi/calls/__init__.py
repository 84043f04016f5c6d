"""What the controller answers itself, declared as the operations are."""
