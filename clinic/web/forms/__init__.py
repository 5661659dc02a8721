"""WTForms: one built from any definition, and the few small forms that are no records."""
