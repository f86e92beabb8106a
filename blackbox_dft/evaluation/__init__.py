"""What a tuning is worth: statistics of answers already paid for."""
