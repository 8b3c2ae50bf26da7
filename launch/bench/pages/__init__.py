"""From measurements to the tables and pictures of docs/."""
