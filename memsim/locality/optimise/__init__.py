"""Cheaper scalar programs of the same meaning under Model 1: addresses, copies, and the order of a matrix product."""
