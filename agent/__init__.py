"""The agent: does on its host what the controller's jobs ask for."""
