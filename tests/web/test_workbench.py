"""The workbench in requests: who finds what, saving, marking, conflicts, previews, proofs, files."""
