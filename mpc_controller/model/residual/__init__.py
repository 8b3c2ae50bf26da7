"""Learned corrections of a physics model, and how the two are one."""
