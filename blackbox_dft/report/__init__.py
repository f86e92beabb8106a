"""What a run found, for people: the verdict in words, the contact sheet and the curve."""
