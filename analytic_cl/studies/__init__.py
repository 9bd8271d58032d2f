"""Evidence for what the documentation says: approximate unlearning, drift of recursions, quantisation."""
