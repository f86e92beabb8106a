"""From (image, z) to scores, through the ledger: what is paid for is counted and kept."""
