"""Attacks on a server, over the wire: what each is, what is expected of it, and what must never come of any."""
