"""The controller: serves REST, turns requests into jobs, and never touches an operating system."""
