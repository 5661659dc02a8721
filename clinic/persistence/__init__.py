"""What is stored and how it is sealed: tables, migrations, keys. Knows no browser and no page."""
