"""Pictures of reports."""
