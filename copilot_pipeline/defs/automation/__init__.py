"""What happens by itself: schedules and checks."""
