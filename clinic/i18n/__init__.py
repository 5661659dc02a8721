"""Languages: which there are, what a sentence says in them, and how their files are kept."""
