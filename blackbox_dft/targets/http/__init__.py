"""URLs as targets: transport, wire protocols, profiles, secrets."""
