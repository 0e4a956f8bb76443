"""Privacy: redaction, finding and erasing of people, retention."""
