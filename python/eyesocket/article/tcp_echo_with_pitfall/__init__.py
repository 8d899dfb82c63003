"""The echo pair again, with the return values of send and recv looked at."""
