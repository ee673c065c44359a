"""What people are told: the texts for an operator, and what the errors that they meet mean."""
