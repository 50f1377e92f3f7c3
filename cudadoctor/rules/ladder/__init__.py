"""Rules about the steps of the driver ladder."""
