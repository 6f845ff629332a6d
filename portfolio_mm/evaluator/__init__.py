"""EVALUATOR: what fills earned, and what they teach."""
