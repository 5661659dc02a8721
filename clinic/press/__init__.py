"""Pages to PDF in keyless child processes, with our own fonts. Only the children import the layout engine."""
