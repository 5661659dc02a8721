"""What the program knows, in plain values. Standard library only."""
