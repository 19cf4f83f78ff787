"""tasks.export: models as files that run without this application."""
