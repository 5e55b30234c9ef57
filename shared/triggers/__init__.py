"""What each trigger does with what it was given. No rule of the business is here: messages go on to the worker."""
