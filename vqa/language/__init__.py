"""Models that write: they describe a photo, complete a question, mend a mistyped one."""
