"""The way of a record from this process to a server: frames, spool, sender, HTTP."""
