"""How fast, how large, how accessible, beside what others would use: `clinic bench`; each file also by `python -m`."""
