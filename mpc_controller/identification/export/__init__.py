"""Identified parameters into the files that other programs read: MJCF and URDF."""
