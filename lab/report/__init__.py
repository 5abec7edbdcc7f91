"""The report's words, curves and claims, and the rules by which runs are judged."""
