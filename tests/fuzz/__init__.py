"""Fuzzing: targets that take any bytes, and what drives them, for seconds in the tests and for long in scripts/fuzz."""
