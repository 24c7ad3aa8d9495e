"""The suite of faults: what breaks a program, a server, a disk or a network, and the proof that nothing was lost."""
