"""The press, with its real children."""
