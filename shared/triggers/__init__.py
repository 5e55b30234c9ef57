"""What each trigger does with its message, HTTP request or timer tick. Business rules are in shared/worker."""
