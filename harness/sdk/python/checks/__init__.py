"""The checks, by what they use of the SDK."""
