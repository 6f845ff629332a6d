"""SENSOR: books and prints in, observations with known noise out."""
