"""Foreign formats: reports of other tools become neutral values, in constant memory."""
