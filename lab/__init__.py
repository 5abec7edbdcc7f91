"""How the runs are executed, cached, judged and shown."""
