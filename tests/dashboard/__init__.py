"""The dashboard in a real browser, on a real server, over what the logger itself has logged."""
