"""Pictures of a real roll-out, for the documentation."""
