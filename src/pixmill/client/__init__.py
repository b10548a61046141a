"""The service as its clients call it: a camera's machine, an operator's shell.

`service` speaks HTTP and tries again, `sending` takes one file all the way. What is done where, and
what is printed of it, is the commands' matter.
"""
