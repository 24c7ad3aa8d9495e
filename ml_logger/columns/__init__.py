"""Files of rows read as columns: pure, for the client and for the server, and nothing that is stored is executed."""
