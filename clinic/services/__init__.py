"""One verb a module; a service owns its commit."""
