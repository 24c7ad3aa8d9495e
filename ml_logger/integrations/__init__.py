"""One framework, one file: what lets others log through this library."""
