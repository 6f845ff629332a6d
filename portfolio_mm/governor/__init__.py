"""GOVERNOR: belief and account in, the risk that may be taken out."""
