"""Every exception this library raises.

* LoggerError
  + InvalidKey            (ValueError)           a key that could leave the log directory, or no file system can hold
  + InvalidRoot           (ValueError)           a log directory or a server address that cannot be understood
  + InvalidSetting        (ValueError)           a setting, a flag or an option with a value that makes no sense
  + InvalidImage          (ValueError)           an array that is no picture
  + UnsupportedValue      (TypeError)            a value that cannot be stored
  + UnsupportedFormat     (ValueError)           a file format that the encoder cannot write
  + KeyNotFound           (FileNotFoundError)    nothing is stored under a key
  + FileReplaced          (RuntimeError)         a file that became another one while it was being read
  + UntrustedData         (pickle.UnpicklingError)  stored data that names a class outside the audited list
  + CorruptData           (ValueError)           stored data that cannot be decoded
  + StorageFailed         (OSError)              the disk or the folder refuses to take the data
  + SpoolFull             (OSError)              no room is left for records on their way to a server
  + FolderInUse           (OSError)              another server already owns the data folder
  + Refused               (PermissionError)      the server refused one record for good
  + ServerUnavailable     (ConnectionError)      the server cannot be reached, or answers nonsense
  + DeliveryTimeout       (TimeoutError)         the time limit passed before everything was delivered
  + NotAvailable          (ImportError)          a library that is not installed, or a name that belongs elsewhere
  + Gone                  (AttributeError)       a call of earlier versions that was taken away on purpose

Each also derives from the built-in that a newcomer would catch.
"""

from __future__ import annotations

import pickle


class LoggerError(Exception):
    """Base of every error of this library."""

    def __str__(self) -> str:
        # KeyError- and OSError-like bases format themselves in surprising ways; the message is the first argument.
        return str(self.args[0]) if self.args else ""


class InvalidKey(LoggerError, ValueError):
    """A key that could leave the log directory, or that no file system can hold."""


class InvalidRoot(LoggerError, ValueError):
    """A log directory or a server address that cannot be understood."""


class InvalidSetting(LoggerError, ValueError):
    """A setting, a flag or an option with a value that makes no sense."""


class InvalidImage(LoggerError, ValueError):
    """An array that is no picture: says its shape, dtype and range, and what to pass."""


class UnsupportedValue(LoggerError, TypeError):
    """A value that cannot be stored: says under which name, its type, and what to pass instead."""


class UnsupportedFormat(LoggerError, ValueError):
    """A file format that the encoder cannot write: lists those it can."""


class KeyNotFound(LoggerError, FileNotFoundError):
    """Nothing is stored under this key."""


class FileReplaced(LoggerError, RuntimeError):
    """A file became another one while it was read over a line that was cut: the rest of it is gone."""


class UntrustedData(LoggerError, pickle.UnpicklingError):
    """Stored data that names a class outside the audited list: says which, and how to trust it."""


class CorruptData(LoggerError, ValueError):
    """Stored data that cannot be decoded."""


class StorageFailed(LoggerError, OSError):
    """The disk or the folder refuses to take the data."""


class SpoolFull(LoggerError, OSError):
    """No room is left for records on their way to a server, and the program has asked to be told by an error."""


class FolderInUse(LoggerError, OSError):
    """Another server already owns the data folder."""


class Refused(LoggerError, PermissionError):
    """The server refused one record for good: the ones behind it went on."""


class ServerUnavailable(LoggerError, ConnectionError):
    """The server cannot be reached, or answers something that is not ours."""


class DeliveryTimeout(LoggerError, TimeoutError):
    """The time limit passed before everything was delivered; nothing is lost, it stays in the spool."""


class NotAvailable(LoggerError, ImportError):
    """A library that is not installed, or a name that belongs elsewhere: says what to install, or where to look."""


class Gone(LoggerError, AttributeError):
    """A call of earlier versions that was taken away on purpose: says why, and what to do instead."""
