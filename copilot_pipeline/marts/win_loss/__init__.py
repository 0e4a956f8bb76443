"""Win/loss: which conditions on the scores are associated with won and with lost deals."""
