"""The pages: blueprints by feature, forms built from definitions."""
