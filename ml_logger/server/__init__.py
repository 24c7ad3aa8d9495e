"""The server that collects what many trainings log. It stores and returns bytes, and never unpickles any."""
