"""Win/loss: conditions on scores that go with won or lost deals."""
