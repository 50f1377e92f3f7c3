"""Rules about power and the switching of graphics."""
