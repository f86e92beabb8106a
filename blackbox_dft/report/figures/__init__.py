"""Charts and pictures of the reports."""
